"""The option by which a command names a Ray cluster."""

import click

ray_option = click.option(
    "--ray", "ray_address", metavar="HOST:PORT",
    help="Do the work on this Ray cluster instead of scale.ray_address; '' means on this machine.",
)  # fmt: skip
