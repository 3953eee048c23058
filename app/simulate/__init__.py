"""The simulated region: the trusts' feeds, their archives' headers and the truth behind them, from one seed.

``run`` writes a region to a folder. No person, address or number in it is real: NHS numbers are of the test
range, telephone numbers of code 01632 and block 071, which serve nobody, e-mail addresses of example.org.
"""

from app.simulate.region import Summary, run

simulate = run

__all__ = ["Summary", "run", "simulate"]
