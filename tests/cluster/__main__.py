"""Command line: python3 -m tests.cluster --help."""

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path

from tests.cluster import api, cgroups, enter, lifecycle, project
from tests.cluster.paths import DEFAULT_NAME, Paths
from tests.cluster.shell import ClusterError

NOT_READY = 3

TAKE_WORDS = ("kubectl", "run")
"""Whatever follows these belongs to another program, options included."""


def main(arguments: Sequence[str]) -> int:
    """Run one command; the exit code is its result."""
    own, words = _split(arguments)
    options = _parser().parse_args(own)
    code: int | None = options.action(Paths(options.name), options, words)
    return code or 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python3 -m tests.cluster", description="A one-node Kubernetes for tests.")
    parser.add_argument("--name", default=DEFAULT_NAME, help="which cluster (default: %(default)s)")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    for name, action, text in (
        ("up", _up, "start it, unless it is up"),
        ("down", _down, "remove it and everything of it"),
        ("status", _status, f"say whether it is usable (exit code {NOT_READY} when not)"),
        ("kubectl", _kubectl, "run kubectl"),
        ("run", _run, "run a program of this machine inside the cluster's network: run -- CMD ..."),
        ("list-images", _list_images, "list the images it has"),
    ):
        commands.add_parser(name, help=text).set_defaults(action=action)
    images = commands.add_parser("images", help="build the images of this project; load them, if the cluster is up")
    images.add_argument("names", nargs="*", metavar="NAME", help=f"which ones (default: {' '.join(project.NAMES)})")
    images.add_argument("--registry", help="push them there as well, as REGISTRY/modelrollout-NAME:VERSION")
    images.set_defaults(action=_images)
    load = commands.add_parser("load-image", help="import image archives")
    load.add_argument("files", nargs="+", type=Path)
    load.set_defaults(action=_load)
    logs = commands.add_parser("logs", help="print the log of a component, or the ends of all logs")
    logs.add_argument("component", nargs="?")
    logs.set_defaults(action=_logs)
    forward = commands.add_parser("forward", help="open NAME=HOST:PORT on 127.0.0.1 until interrupted")
    forward.add_argument("targets", nargs="+")
    forward.set_defaults(action=_forward)
    return parser


def _split(arguments: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return our own arguments and those of the program that is to be run."""
    for index, word in enumerate(arguments):
        if word in TAKE_WORDS and arguments[index - 1 : index] != ["--name"]:
            words = list(arguments[index + 1 :])
            return list(arguments[: index + 1]), words[words[:1] == ["--"] :]
    return list(arguments), []


def _up(paths: Paths, _: argparse.Namespace, __: list[str]) -> None:
    lifecycle.up(paths)


def _down(paths: Paths, _: argparse.Namespace, __: list[str]) -> None:
    lifecycle.down(paths)


def _status(paths: Paths, _: argparse.Namespace, __: list[str]) -> int:
    lacking = lifecycle.missing(paths)
    if lacking == "init":
        left = paths.state.exists() or cgroups.tree(paths.cgroup).exists()
        print(
            f"{paths.name}: down" + (", with leftovers of a killed cluster (up and down remove them)" if left else "")
        )
        return NOT_READY
    print(f"{paths.name}: {'not ready, lacks: ' + lacking if lacking else 'ready'}")
    if paths.record.exists():
        cluster = api.find(paths.name)
        print(f"kubeconfig: {paths.kubeconfig} (https://127.0.0.1:{cluster.port})")
        print(f"audit log:  {paths.audit_log}")
        print(f"logs:       {paths.logs}")
        for name, state in cluster.component_states().items():
            text = f"running, pid {state['pid']} inside" if state["pid"] else "stopped, about to start"
            print(f"  {name:26}{text}, {state['starts']} start{'s' * (state['starts'] != 1)}")
    return NOT_READY if lacking else 0


def _kubectl(paths: Paths, _: argparse.Namespace, words: list[str]) -> None:
    api.replace_process_with_kubectl(api.find(paths.name), words)


def _run(paths: Paths, _: argparse.Namespace, words: list[str]) -> None:
    if not words:
        raise ClusterError("run what? python3 -m tests.cluster run -- CMD ...")
    command = enter.command(paths, words)
    os.execvpe(command[0], command, enter.variables(paths))


def _list_images(paths: Paths, _: argparse.Namespace, __: list[str]) -> None:
    print("\n".join(api.find(paths.name).images()))


def _images(paths: Paths, options: argparse.Namespace, _: list[str]) -> None:
    names = options.names or project.NAMES
    built = project.build(names)
    for image in built:
        print(f"{image.tag} {image.archive}")
    if not lifecycle.missing(paths):
        loaded = project.load(api.find(paths.name), built)
        print(f"loaded into {paths.name}: {', '.join(loaded) or 'nothing, it has these'}")
    if options.registry:
        print("\n".join(project.push(built, options.registry)))


def _load(paths: Paths, options: argparse.Namespace, _: list[str]) -> None:
    for file in options.files:
        print("\n".join(api.find(paths.name).load(file)))


def _logs(paths: Paths, options: argparse.Namespace, _: list[str]) -> None:
    component = options.component
    files = sorted(paths.logs.glob("*.log")) if component is None else [paths.logs / f"{component}.log"]
    for file in files:
        if not file.exists():
            known = ", ".join(sorted(each.stem for each in paths.logs.glob("*.log")))
            raise ClusterError(f"no log {file}; there are: {known or 'none, the cluster is down'}")
        if component is None:
            print(f"--- {file}")
            print("\n".join(file.read_text(errors="replace").splitlines()[-10:]))
        else:
            sys.stdout.write(file.read_text(errors="replace"))


def _forward(paths: Paths, options: argparse.Namespace, _: list[str]) -> None:
    targets = dict(target.split("=", 1) for target in options.targets)
    with api.find(paths.name).forward(targets) as forward:
        for name, address in forward.addresses.items():
            print(f"{name}={address}", flush=True)
        forward.wait()


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (ClusterError, ValueError) as error:
        sys.exit(f"cluster: {error}")
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:
        # Whoever read our output has seen enough.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
