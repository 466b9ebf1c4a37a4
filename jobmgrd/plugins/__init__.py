"""What a plugin is made of; docs/plugins.md tells how to write one.

A plugin is a callable, `plugin(conf, manager)`, that returns an object whose methods are hooks:
each is marked with `hookimpl` and named as one of jobmgrd.plugins.hooks.Hooks. It takes of a hook's
arguments those that it wants.
"""

from jobmgrd.plugins.answers import ACCEPT, HOLD, Refuse
from jobmgrd.plugins.hooks import Hooks, hookimpl
from jobmgrd.plugins.job_view import JobView
from jobmgrd.plugins.manager import Manager

__all__ = ["ACCEPT", "HOLD", "Hooks", "JobView", "Manager", "Refuse", "hookimpl"]
