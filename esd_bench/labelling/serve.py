"""Start the page: open the labels, bind a port, tell the address, serve until Ctrl-C."""

import socket
import webbrowser
from collections.abc import Callable
from pathlib import Path
from typing import Any

from esd_bench.labelling.exchange import read_gold
from esd_bench.labelling.guard import LOOPBACK
from esd_bench.labelling.opening import opened
from esd_bench.labelling.pictures import has_mesh
from esd_bench.labelling.study import Mode


def serve(
    root: Path,
    mode: Mode = "single",
    only: dict[str, Any] | None = None,
    host: str = "127.0.0.1",
    port: int = 8765,
    browser: bool = True,
    gold: Path | None = None,
    say: Callable[[str], None] = lambda line: None,
) -> None:
    """Serve the study until it is stopped.

    Raises:
        ImportError: without FastAPI and uvicorn.
        ValueError: when there is nothing to judge.
        OSError: when the port is taken.
    """
    uvicorn, application = _load()
    with opened(root, mode, only, say=say) as (database, shown):
        if gold:
            say(f"{len(read_gold(gold, shown))} items have known answers")
        for name, why in shown.left_out:
            say(f"not shown: {name}: {why}")
        lacking = sum(not has_mesh(asset) for asset in shown.assets.values())
        if 0 < lacking < len(shown.assets):
            say(
                f"3-D is off: {lacking} of {len(shown.assets)} assets have no asset.glb, and that would tell them apart"
            )
        with _bound(host, port) as listening:
            name = host if host not in ("0.0.0.0", "::") else socket.gethostname()
            at = f"{f'[{name}]' if ':' in name else name}:{listening.getsockname()[1]}"
            if host not in LOOPBACK:
                say(
                    "warning: other machines can reach this page, and nothing is encrypted on the way"
                )
            address = f"http://{at}/?token={database.secret('token')}"
            say(f"{len(shown.items)} items. Raters open {address}")
            say(
                f"An adjudicator opens that, then http://{at}/adjudicate. Ctrl-C stops; nothing is lost."
            )
            if browser:
                webbrowser.open(address)
            app = application(database, shown, listening.getsockname()[1], host)
            config = uvicorn.Config(app, log_level="warning", server_header=False, lifespan="off")
            uvicorn.Server(config).run(sockets=[listening])


def _load() -> tuple[Any, Any]:
    try:
        import python_multipart  # noqa: F401
        import uvicorn

        from esd_bench.labelling.server import application
    except ImportError:
        raise ImportError('the page needs FastAPI: pip install "esd-bench[label]"') from None
    return uvicorn, application


def _bound(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    listening = socket.socket(family)
    listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listening.bind((host, port))
    except OSError as error:
        listening.close()
        raise OSError(f"cannot listen on {host}:{port} ({error.strerror}); try --port 0") from None
    listening.listen(128)
    return listening
