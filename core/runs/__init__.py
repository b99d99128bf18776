"""The kit that every study's runs stand on: folder, manifest, stages, progress, jobs."""
