"""How the project leaves its checkout: as a wheel, and as one file that installs without a network.

None of it is part of the wheel.
"""
