"""One folder or bucket prefix that holds a run: settings, records, policies, champion, lease.

This wing promises that each record appears whole, that one loop holds a workspace, and that exactly one
champion is in force. It never plays, learns or decides.
"""
