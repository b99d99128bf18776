"""The few names of `import phenopolicy as pp`: run a study, look at it, and judge policies that were made elsewhere."""

from core.api.finished import PolicyOfRun, Run
from core.api.registry import PolicyOfRegistry, RegistryRun
from core.api.train import judge, open_run, run, run_steps, verify

__all__ = ["PolicyOfRegistry", "PolicyOfRun", "RegistryRun", "Run", "judge", "open_run", "run", "run_steps", "verify"]
