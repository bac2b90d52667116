"""The page on the wire: FastAPI routes over :mod:`esd_bench.labelling.session`, imported when the server starts."""

import hashlib
import hmac
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

from fastapi import Depends, FastAPI, Form, HTTPException, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from fastapi.staticfiles import StaticFiles
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from esd_bench.labelling import pictures, session
from esd_bench.labelling.criteria import CRITERIA
from esd_bench.labelling.database import Database, Rater
from esd_bench.labelling.guard import Guard, csrf
from esd_bench.labelling.study import SHOWN, Asset, Study, opaque

HERE = Path(__file__).parent
KEPT = {"Cache-Control": "private, max-age=86400, immutable"}
FRESH = {"Cache-Control": "no-store"}


class Pages:
    """What every route needs."""

    def __init__(self, database: Database, study: Study, port: int) -> None:
        self.database, self.study = database, study
        self.token, self.secret = database.secret("token"), database.secret("items")
        self.cookie = f"esd_rater_{port}"
        # An object with a 3-D view among others without one would tell its method.
        self.solid = pictures.solid(study)
        loader = FileSystemLoader(HERE / "templates")
        self.templates = Environment(loader=loader, autoescape=True, undefined=StrictUndefined)

    def page(self, name: str, **values: object) -> HTMLResponse:
        """A template filled in."""
        common = {
            "csrf": csrf(self.token),
            "criteria": CRITERIA,
            "mode": self.study.mode,
            "rater": None,
        }
        text = self.templates.get_template(name).render(**{**common, **values})
        return HTMLResponse(text, headers=FRESH)

    def signed(self, rater: Rater) -> str:
        """The value of a rater's cookie."""
        mark = hmac.new(self.secret.encode(), f"rater {rater.id}".encode(), hashlib.sha256)
        return f"{rater.id}.{mark.hexdigest()[:32]}"

    def rater(self, request: Request) -> Rater | None:
        """Who asks; None for somebody who gave no name yet."""
        given = request.cookies.get(self.cookie, "").encode()
        named = [x for x in self.database.raters() if given.startswith(f"{x.id}.".encode())]
        mine = (x for x in named if hmac.compare_digest(self.signed(x).encode(), given))
        return next(mine, None)

    def known(self, request: Request) -> Rater:
        """Who asks.

        Raises:
            HTTPException: 401 for somebody who gave no name yet, and for a page of somebody else: a browser has one
                cookie, and two raters may have a window each.
        """
        rater = self.rater(request)
        if rater is None or request.headers.get("x-rater", str(rater.id)) != str(rater.id):
            raise HTTPException(401, "give your name first")
        return rater

    def work(self, rater: Rater) -> HTMLResponse:
        """The page on which a rater judges; clicks that wait in the browser are of this study, mode and rater."""
        queue = opaque(self.secret, "queue", self.study.mode, str(rater.id))
        return self.page("work.html", rater=rater, queue=queue)

    def begin(self, name: str, role: str, again: str) -> Response:
        """Take a name; one that is known already only from who says that it is theirs."""
        known = self.database.find(name, role)
        # Two people of one name would take back each other's clicks.
        if known and self.database.find(again, role) != known:
            return self.page("start.html", role=role, error="", known=known.name)
        try:
            rater = self.database.rater(name, role)
        except ValueError as error:
            return self.page("start.html", role=role, error=str(error), known="")
        answer = Response(status_code=303, headers={"Location": "/"})
        lasting = {"httponly": True, "samesite": "strict", "max_age": 7776000}
        answer.set_cookie(self.cookie, self.signed(rater), **lasting)  # type: ignore[arg-type]
        return answer

    async def asset(self, name: str) -> Asset:
        """An asset by its opaque id.

        Raises:
            HTTPException: 404 when there is none.
        """
        if name not in self.study.assets:
            raise HTTPException(404, "no such asset")
        return self.study.assets[name]


def application(database: Database, study: Study, port: int, host: str = "127.0.0.1") -> Guard:
    """The whole page, guarded.

    Args:
        database: of labels, open for writing.
        study: what is shown.
        port: where it is served.
        host: the same.
    """
    pages = Pages(database, study, port)
    app = FastAPI(openapi_url=None, docs_url=None, redoc_url=None)
    _entrance(app, pages)
    _work(app, pages)
    _assets(app, pages)
    app.mount("/static/vendor", StaticFiles(directory=HERE.parent / "vendor"))
    app.mount("/static", StaticFiles(directory=HERE / "static"))
    return Guard(app, pages.token, port, host)


def _entrance(app: FastAPI, pages: Pages) -> None:
    @app.get("/")
    def home(request: Request) -> HTMLResponse:
        rater = pages.rater(request)
        if rater is None:
            return pages.page("start.html", role="rater", error="", known="")
        return pages.work(rater)

    @app.get("/adjudicate")
    def adjudicate(request: Request) -> HTMLResponse:
        rater = pages.rater(request)
        if rater is None or rater.role != "adjudicator":
            return pages.page("start.html", role="adjudicator", error="", known="")
        return pages.work(rater)

    @app.post("/start")
    def start(
        name: Annotated[str, Form()] = "",
        role: Annotated[str, Form()] = "rater",
        again: Annotated[str, Form()] = "",
    ) -> Response:
        return pages.begin(name, "adjudicator" if role == "adjudicator" else "rater", again)

    @app.post("/leave")
    def leave() -> Response:
        answer = Response(status_code=204, headers={"HX-Redirect": "/"})
        answer.delete_cookie(pages.cookie, httponly=True, samesite="strict")
        return answer


def _work(app: FastAPI, pages: Pages) -> None:
    @app.get("/card")
    def card(request: Request) -> HTMLResponse:
        rater = pages.known(request)
        now = session.card(pages.database, pages.study, rater)
        if now.item is None:
            return pages.page("finished.html", card=now, rater=rater)
        options, assets = SHOWN[pages.study.mode], [_shown(x) for x in now.assets]
        return pages.page(
            "card.html", card=now, rater=rater, options=options, assets=assets, solid=pages.solid
        )

    @app.post("/event")
    def event(
        request: Request,
        key: Annotated[str, Form()] = "",
        slot: Annotated[str, Form()] = "",
        kind: Annotated[str, Form()] = "",
        criterion: Annotated[str, Form()] = "",
        value: Annotated[str, Form()] = "",
    ) -> JSONResponse:
        rater, made = pages.known(request), session.made(slot, kind, criterion, value)
        try:
            session.click(pages.database, pages.study, rater, key, made)
        except session.StaleError:
            return JSONResponse({"stale": True}, 409)
        except ValueError as error:
            return JSONResponse({"error": str(error)}, 422)
        return JSONResponse({"kept": key})


def _shown(asset: Asset) -> dict[str, object]:
    """What a card says of an asset."""
    try:
        return {"id": asset.id, "ring": pictures.turntable(asset)}
    except ValueError:
        return {"id": asset.id, "ring": None}


def _made(make: Callable[[Asset], Any], asset: Asset) -> Any:
    try:
        return make(asset)
    except ValueError:
        raise HTTPException(404, "no such picture") from None


def _assets(app: FastAPI, pages: Pages) -> None:
    found = Annotated[Asset, Depends(pages.asset)]

    @app.get("/asset/{name}/ring.png")
    def ring(asset: found) -> Response:
        return Response(_made(pictures.turntable, asset).png, 200, KEPT, "image/png")

    @app.get("/asset/{name}/sphere.png")
    def sphere(asset: found) -> Response:
        return Response(_made(pictures.grid, asset).png, 200, KEPT, "image/png")

    @app.get("/asset/{name}/model.glb")
    def model(asset: found) -> Response:
        if not pages.solid:
            raise HTTPException(404, "no such model")
        return Response(_made(pictures.mesh, asset), 200, KEPT, "model/gltf-binary")
