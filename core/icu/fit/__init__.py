"""What the ICU study's stages compute and store: clinicians, values, baselines, truth."""
