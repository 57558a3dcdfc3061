"""`pacloop deploy`: the deployments of a workspace for a Prefect worker, without `pacloop serve`."""

from typing import Annotated

import typer

from ..environment import DEFAULTS
from ..runs.plan import Cron, Every, Name, Port, Rounds, Until, wanted
from .dataset import HERE, Approve, WorkspaceOption


def deploy(
    pool: Annotated[str, typer.Option(help="Work pool of the type `process`.")],
    every: Every = None,
    cron: Cron = None,
    rounds: Rounds = None,
    until: Until = None,
    approve: Approve = None,
    name: Name = "",
    port: Port = None,
    workspace: WorkspaceOption = HERE,
) -> None:
    """Register the workspace's deployments with a work pool; a Prefect worker then runs them.

    The worker must run where pacloop is, and the workspace, unless that is in a bucket.
    """
    from ..server.start import prefect_server

    told = wanted(workspace, every, cron, rounds, until, approve, name)
    with prefect_server(port, start=False) as (url, _):
        from ..runs.deployments import check_name, check_pool, deployments

        check_name(told)
        check_pool(pool)
        made = deployments(told)
        for deployment in made:
            deployment.job_variables = {"env": DEFAULTS}
            deployment.apply(work_pool_name=pool)
    print(f"{told.workspace} is registered with pool {pool} at {url.removesuffix('/api')}:")
    print(*(f"  {d.flow_name:<22} {d.name}" for d in made), sep="\n")
    print(told.sentence())
    print(f"a worker runs them: prefect worker start --pool {pool}", flush=True)
