"""`pacloop deploy`: the deployments of a workspace for a Prefect worker, without `pacloop serve`."""

from typing import Annotated

import typer

from ..environment import DEFAULTS, program
from .options import HERE, Approve, Cron, Every, Name, Port, Rounds, Until, WorkspaceOption


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
    """Register the loop with Prefect's workers, on a schedule.

    Its deployments go to a work pool, and a Prefect worker runs them. The
    worker must run where pacloop is, and the workspace, unless that is in a
    bucket.
    """
    from ..runs.plan import make_plan
    from ..server.start import prefect_server

    plan = make_plan(
        workspace, every=every, cron=cron, rounds=rounds, until=until, approve=approve, name=name
    )
    with prefect_server(port, start=False) as (url, _):
        from ..runs.deployments import check_name, check_pool, deployments

        check_name(plan)
        check_pool(pool)
        registered = deployments(plan)
        for deployment in registered:
            deployment.job_variables = {"env": DEFAULTS}
            deployment.apply(work_pool_name=pool)
    print(f"{plan.workspace} is registered with pool {pool} at {url.removesuffix('/api')}:")
    print(*(f"  {d.flow_name:<22} {d.name}" for d in registered), sep="\n")
    print(plan.sentence())
    print(f"a worker runs them: {program('prefect')} worker start --pool {pool}", flush=True)
