"""What a process of the other interpreter can be: the fork server with its keeper, or a worker for one job."""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Final, NoReturn

from autograd_lint.dynamic.sandbox.walls import Walls, find_walls
from autograd_lint.dynamic.snippets import scratch, wire
from autograd_lint.dynamic.snippets.jobs import job_from_json
from autograd_lint.dynamic.snippets.warm import interpreter_to_json, load, load_for

if sys.platform == "linux":
    from autograd_lint.dynamic.sandbox import namespaces
    from autograd_lint.dynamic.sandbox.kernel import adopt_orphans, die_with_parent
    from autograd_lint.dynamic.snippets.strays import end_strays
    from autograd_lint.dynamic.snippets.zygote import Zygote

_SERVER_SCRATCH: Final = 64 << 20
_MARK_LENGTH: Final = 16


@dataclass(frozen=True, slots=True)
class Order:
    """What the linter wants: the scratch folder, what to load, where else to look for it, which walls to leave out."""

    root: str
    preload: tuple[str, ...]
    path: tuple[str, ...]
    without: frozenset[str]


def become(role: str, arguments: list[str]) -> None:
    """Be what `role` names, to the end of the process."""
    order = _read_order(arguments[0])
    sys.path.extend(order.path)
    if role == "server":
        _keep_server(order, socket.socket(fileno=int(arguments[1])))
    else:
        _work(order)


def _read_order(text: str) -> Order:
    data = json.loads(text)
    return Order(data["root"], tuple(data["preload"]), tuple(data["path"]), frozenset(data["without"]))


# ------------------------------------------------------------------ the fork server


def _keep_server(order: Order, channel: socket.socket) -> None:
    """Be the server's parent: what it leaves behind when it ends, for whatever reason, is ended and removed here."""
    walls = find_walls(order.root, order.without)
    namespaces.enter(walls.namespaces - {namespaces.MOUNT})
    adopt_orphans()
    server = os.fork()
    if not server:
        die_with_parent(signal.SIGKILL)
        _serve(order, channel, walls)
        # Taking torch down properly would take longer than a hundred jobs.
        os._exit(0)
    channel.close()
    os.waitpid(server, 0)
    end_strays(())
    scratch.remove(order.root)


def _serve(order: Order, channel: socket.socket, walls: Walls) -> None:
    adopt_orphans()
    _close_disk(order.root, walls)
    zygote = Zygote(channel, walls, order.root)
    if _announce(order, walls, zygote.send):
        zygote.serve()


def _close_disk(root: str, walls: Walls) -> None:
    if walls.read_only_disk:
        namespaces.enter(frozenset({namespaces.MOUNT}))
        namespaces.close_disk(root, _SERVER_SCRATCH)
        namespaces.show_own_processes()
    os.chdir(root)


def _announce(order: Order, walls: Walls, send: Callable[[dict[str, Any]], None]) -> bool:
    """Load what is ordered and tell the linter; False: it cannot be had."""
    try:
        interpreter = load(order.preload, walls)
    except (ImportError, OSError) as error:
        send({"error": f"{sys.executable}: {error}"})
        return False
    send({"interpreter": interpreter_to_json(interpreter)})
    return True


# ------------------------------------------------------------------ a worker for one job


def _work(order: Order) -> NoReturn:
    """Load, wait for one job on standard input, run it, end. What it prints goes to 1, the messages go to 2."""
    from autograd_lint.dynamic.snippets.child import Place, run_job
    from autograd_lint.dynamic.snippets.streams import attach

    if sys.platform == "linux":
        die_with_parent(signal.SIGKILL)
    result, source = os.dup(2), os.dup(0)
    # Libraries may warn while they load; nobody waits for that.
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    walls = _walls_of_worker(order)

    def send(message: dict[str, Any]) -> None:
        os.write(result, wire.encode(message))

    if not _announce(order, walls, send):
        sys.exit(1)
    with open(source, "rb") as stream:
        mark, message = stream.read(_MARK_LENGTH), wire.Inbox()
        received = list(message.take(stream.read()))
    if not received:
        sys.exit(0)
    job = job_from_json(received[0])
    load_for(job.text)
    attach(1)
    run_job(job, Place(order.root, walls, result, mark))


def _walls_of_worker(order: Order) -> Walls:
    walls = find_walls(order.root, order.without)
    if sys.platform == "linux":
        # Its own process number is settled already; a new space would be its children's only.
        walls = replace(walls, namespaces=walls.namespaces - {namespaces.PID})
        namespaces.enter(walls.namespaces - {namespaces.MOUNT})
    _close_disk(order.root, walls)
    return walls
