"""What every test shares. The environment variable must be set before scipy is first imported."""

import os

os.environ["SCIPY_ARRAY_API"] = "1"
