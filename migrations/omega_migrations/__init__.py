"""How an older file came to its present shape: one SQL file a step, in order.

A step's file says how its tables, indexes and triggers look once it has run, and holds what has to happen
to the rows. What a file already has is left alone, so that a step ends well wherever an earlier run of it
stopped. Released files never change; what comes next is a new step, `py016_…`.
"""

from omega_migrations.applying import apply, is_there, missing_columns
from omega_migrations.steps import STEPS, TRACKING, Step

__all__ = ["STEPS", "TRACKING", "Step", "apply", "is_there", "missing_columns"]
