"""What deploy/ and the compose file say: valid by their own schemas, and true of the code that they start."""

from __future__ import annotations

import ast
import importlib
import json
import re
import shlex
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import kubernetes_validate
import promql_parser
import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version
from prometheus_client import CollectorRegistry, make_wsgi_app
from prometheus_client.core import Metric
from prometheus_client.registry import Collector
from pydantic import ValidationError

from mam.__main__ import COMMANDS
from mam.jobs.counters import COUNTED
from mam.jobs.job import State
from mam.jobs.queues import BATCH, HIGH, LISTS, LOW, QUEUES, UNACKNOWLEDGED, VIEWERS, served
from mam.settings import PLACEHOLDER, SERVICES_ALONE, Settings, StoreKeySettings, WorkerSettings

ROOT = Path(__file__).resolve().parents[2]
COMPOSE_FILE = ROOT / "docker-compose.yml"
KUBERNETES = ROOT / "deploy/kubernetes"
SECRETS = KUBERNETES / "secrets.example.yaml"  # to be copied, hence not in the kustomization
DASHBOARD = ROOT / "deploy/grafana/mam.json"
PROMETHEUS = ROOT / "deploy/prometheus"
KUBECONFORM = ROOT / ".tools/bin/kubeconform"
KEDA = ROOT / ".tools/keda/scaledobjects.yaml"  # KEDA's own definition of its kind

IMAGE = "mam"
IMAGE_OF_COMPOSE = "${MAM_IMAGE:-mam}"
OF_CELERY = {"REMAP_SIGTERM"}  # the one environment variable of ours that is no setting
OF_COMPOSE = {  # what only the compose file reads
    "BIND_ADDRESS",
    "MAM_IMAGE",
    "MINIO_CONSOLE_PORT",
    "MINIO_PORT",
    "TRANSCODER_PORT",
    "VOD_PORT",
    "WORKER_MEMORY",
}
ROOT_KEY = StoreKeySettings.model_fields.keys() - Settings.model_fields.keys()  # of the store's administrator
WORKER_SECONDS = 30  # after SIGTERM a worker is gone
SERVICES = ("transcoder", "vod")

Yaml = dict[str, Any]


# what the files say


@dataclass(frozen=True)
class Program:
    """One of our processes, as a file has it started. `environment`: what it sets, secrets and all."""

    where: str
    argv: tuple[str, ...]
    environment: tuple[tuple[str, str], ...] = ()

    @property
    def queues(self) -> tuple[str, ...]:
        """Of a worker; none of anything else."""
        return tuple(self.argv[self.argv.index("-Q") + 1].split(",")) if self.argv[0] == "celery" else ()

    @property
    def module(self) -> tuple[str, str]:
        """The module and what in it is started."""
        if self.argv[0] == "celery":
            return self.argv[self.argv.index("-A") + 1], "app"
        name, _, attribute = self.argv[1].partition(":")
        return name, attribute


@cache
def compose() -> Yaml:
    return dict(yaml.safe_load(COMPOSE_FILE.read_text("utf-8")))


def services() -> dict[str, Yaml]:
    return dict(compose()["services"])


@cache
def manifests() -> list[Yaml]:
    """Every object in deploy/kubernetes, the example of the secrets too."""
    paths = [path for path in sorted(KUBERNETES.glob("*.yaml")) if path.name != "kustomization.yaml"]
    return [found for path in paths for found in yaml.safe_load_all(path.read_text("utf-8"))]


def of_kind(*kinds: str) -> list[Yaml]:
    return [found for found in manifests() if found["kind"] in kinds]


def name_of(found: Yaml) -> str:
    return str(found["metadata"]["name"])


def workloads() -> list[Yaml]:
    return of_kind("Deployment", "StatefulSet")


def all_pods() -> list[Yaml]:
    """What runs once, too."""
    return [*workloads(), *of_kind("Job")]


def pod_of(workload: Yaml) -> Yaml:
    return dict(workload["spec"]["template"]["spec"])


def container_of(workload: Yaml) -> Yaml:
    (container,) = pod_of(workload)["containers"]
    return dict(container)


def ours() -> list[Yaml]:
    return [found for found in workloads() if container_of(found)["image"] == IMAGE]


def in_compose() -> list[Program]:
    """The services and workers; not what runs once before them."""
    found = []
    for name, service in services().items():
        command = service.get("command", [])
        argv = tuple(shlex.split(command) if isinstance(command, str) else command)
        if service.get("image") == IMAGE_OF_COMPOSE and argv[0] in ("uvicorn", "celery"):
            found.append(Program(f"compose:{name}", argv, tuple(service["environment"].items())))
    return found


def value_of(variable: Yaml, shared: Mapping[str, Yaml]) -> str:
    """Of a container's variable: its own, or a secret's."""
    if "value" in variable:
        return str(variable["value"])
    source = variable["valueFrom"]["secretKeyRef"]
    return str(shared[source["name"]][source["key"]])


def in_kubernetes() -> list[Program]:
    shared = {name_of(found): found.get("data") or found["stringData"] for found in of_kind("ConfigMap", "Secret")}
    found = []
    for workload in ours():
        container = container_of(workload)
        sources = [next(iter(source.values()))["name"] for source in container["envFrom"]]
        environment = {name: value for source in sources for name, value in shared[source].items()}
        environment |= {each["name"]: value_of(each, shared) for each in container.get("env", [])}
        found.append(
            Program(f"kubernetes:{name_of(workload)}", tuple(container["command"]), tuple(environment.items()))
        )
    return found


def in_text(name: str) -> list[Program]:
    """Those that a file tells people to type."""
    lines = re.findall(r"^(?:\w+: )?((?:celery|uvicorn) .*)$", (ROOT / name).read_text("utf-8"), re.MULTILINE)
    return [Program(name, tuple(shlex.split(line))) for line in lines]


DEPLOYMENTS = {"compose": in_compose(), "kubernetes": in_kubernetes()}
PROGRAMS = [program for found in DEPLOYMENTS.values() for program in found]
IDS = [program.where for program in PROGRAMS]
deployments = pytest.mark.parametrize("programs", DEPLOYMENTS.values(), ids=DEPLOYMENTS)
each_workload = pytest.mark.parametrize("workload", all_pods(), ids=name_of)
each_of_ours = pytest.mark.parametrize("workload", ours(), ids=name_of)
each_service = pytest.mark.parametrize("service", services().values(), ids=services())


# by their own schemas


def compose_complaints(path: Path) -> str:
    """What is wrong with a compose file by the compose specification."""
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec", str(path)]
    done = subprocess.run(command, capture_output=True, text=True)
    return "" if done.returncode == 0 else done.stdout + done.stderr


def test_the_compose_file_follows_the_specification() -> None:
    assert compose_complaints(COMPOSE_FILE) == ""


def test_what_the_compose_specification_does_not_have_is_refused(tmp_path: Path) -> None:
    misspelt = tmp_path / "docker-compose.yml"
    misspelt.write_text(COMPOSE_FILE.read_text("utf-8").replace("mem_limit:", "memory_limit:"), "utf-8")
    assert "'memory_limit' was unexpected" in compose_complaints(misspelt)


@dataclass(frozen=True)
class Kubeconform:
    """The tool, with schemas of one version of Kubernetes and of KEDA."""

    schemas: Path

    def complaints(self, text: str) -> str:
        """What is wrong with manifests."""
        template = f"{self.schemas}/{{{{.ResourceKind}}}}{{{{.KindSuffix}}}}.json"
        command = [str(KUBECONFORM), "-strict", "-schema-location", template, "-"]
        done = subprocess.run(command, input=text, capture_output=True, text=True)
        return "" if done.returncode == 0 else done.stdout + done.stderr


def schema_folders() -> list[Path]:
    """Those that the package has, by version."""
    base = Path(kubernetes_validate.__file__).parent / "kubernetes-json-schema"
    return sorted(base.glob("v*-local-strict"), key=lambda path: [int(part) for part in re.findall(r"\d+", path.name)])


@pytest.fixture(scope="module", params=[schema_folders()[0], schema_folders()[-1]], ids=lambda path: path.name)
def kubeconform(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Kubeconform:
    """By the oldest Kubernetes that there are schemas for, and by the newest."""
    if not (KUBECONFORM.exists() and KEDA.exists()):
        pytest.skip("no kubeconform: `make kubeconform` builds it where Go is")
    folder = tmp_path_factory.mktemp("schemas")
    kinds = {path.stem for path in request.param.glob("*.json")} & {schema_name(found) for found in manifests()}
    for name in (*kinds, "_definitions"):
        # They name their definitions by a web address, which nobody should have to reach.
        schema = json.loads(
            (request.param / f"{name}.json").read_text("utf-8").replace('"/api/_definitions', '"_definitions')
        )
        schema.pop("$id")
        (folder / f"{name}.json").write_text(json.dumps(schema), "utf-8")
    (version,) = yaml.safe_load(KEDA.read_text("utf-8"))["spec"]["versions"]
    keda = closed(version["schema"]["openAPIV3Schema"])
    (folder / f"scaledobject-keda-{version['name']}.json").write_text(json.dumps(keda), "utf-8")
    return Kubeconform(folder)


def schema_name(found: Yaml) -> str:
    """The file that kubeconform looks for: `deployment-apps-v1`."""
    group, _, version = found["apiVersion"].rpartition("/")
    return "-".join(part for part in (found["kind"].lower(), group.partition(".")[0], version) if part)


def closed(schema: Any) -> Any:
    """A schema that allows only what it names, as kubeconform's -strict ones do."""
    if isinstance(schema, list):
        return [closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    inside = {key: closed(value) for key, value in schema.items()}
    is_open = "additionalProperties" in schema or schema.get("x-kubernetes-preserve-unknown-fields")
    return (
        inside
        if is_open or not isinstance(schema.get("properties"), dict)
        else {**inside, "additionalProperties": False}
    )


def test_manifests_are_valid(kubeconform: Kubeconform) -> None:
    assert kubeconform.complaints(yaml.safe_dump_all(manifests())) == ""


@pytest.mark.parametrize(
    ("kind", "misspelt", "complaint"),
    [
        ("Deployment", ("readOnlyRootFilesystem", "readOnlyRoot"), "'readOnlyRoot' not allowed"),
        ("StatefulSet", ("accessModes", "modes"), "'modes' not allowed"),
        ("ScaledObject", ("minReplicaCount", "minReplicas"), "'minReplicas' not allowed"),
        ("ScaledObject", ("triggers", "trigger"), "missing property 'triggers'"),
        ("ScaledObject", ("kind: ScaledObject", "kind: ScaledJob"), "could not find schema for ScaledJob"),
    ],
)
def test_what_kubernetes_does_not_have_is_refused(
    kubeconform: Kubeconform, kind: str, misspelt: tuple[str, str], complaint: str
) -> None:
    assert complaint in kubeconform.complaints(yaml.safe_dump_all(of_kind(kind)).replace(*misspelt))


def test_the_kustomization_names_every_manifest() -> None:
    named = yaml.safe_load((KUBERNETES / "kustomization.yaml").read_text("utf-8"))["resources"]
    there = {path.name for path in KUBERNETES.glob("*.yaml")} - {"kustomization.yaml", SECRETS.name}
    assert sorted(there) == sorted(named)


# true of the code


@pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
def test_what_is_started_exists(program: Program) -> None:
    module, attribute = program.module
    assert getattr(importlib.import_module(module), attribute)


@pytest.mark.parametrize("program", PROGRAMS, ids=IDS)
def test_every_variable_is_a_setting_and_its_value_is_one_that_is_accepted(program: Program) -> None:
    given = {name for name, value in program.environment if value or name.lower() not in ROOT_KEY} - OF_CELERY
    assert given <= {name.upper() for name in Settings.model_fields}
    assert settings_of(program)


def filled_in(value: str) -> str:
    """What an example asks to be replaced, replaced."""
    return "a long and random secret of many characters" if value.startswith(PLACEHOLDER) else value


@deployments
def test_an_example_that_was_not_filled_in_is_refused(programs: list[Program]) -> None:
    for program in programs:
        given = {name.lower(): value for name, value in program.environment if value.startswith(PLACEHOLDER)}
        if given:
            kind = WorkerSettings if program.queues else Settings
            with pytest.raises(ValidationError, match="example's value"):
                kind(_env_file=None, **{"transcode_api_key": "the key of the tests is no secret", **given})  # type: ignore[arg-type]


def settings_of(program: Program) -> Settings:
    """As the program would read them; what the compose file leaves to `.env` has its default."""
    written = {name.lower(): filled_in(value) for name, value in program.environment if "${" not in value}
    if program.queues:
        return WorkerSettings(_env_file=None, **written)  # type: ignore[arg-type]
    return Settings(_env_file=None, **{"transcode_api_key": "the key of the tests is no secret", **written})  # type: ignore[arg-type]


@deployments
def test_workers_are_told_nothing_that_the_services_alone_know(programs: list[Program]) -> None:
    for program in programs:
        told = {name.lower() for name, value in program.environment if value}
        assert bool(told & SERVICES_ALONE) != bool(program.queues), program.where
        assert {"minio_usr", "minio_pwd"} <= told


def test_a_file_of_settings_tells_workers_no_more() -> None:
    """Compose hands the whole of .env to each container: what stands in `environment` goes before it."""
    workers = [service for service in services().values() if str(service.get("command")).startswith("celery")]
    assert workers
    for service in workers:
        blank = {name.lower() for name, value in service["environment"].items() if value == ""}
        assert blank == SERVICES_ALONE | ROOT_KEY


def test_the_administrator_of_the_store_is_known_to_it_and_to_what_creates_users_alone() -> None:
    assert {"minio_root_usr", "minio_root_pwd"} == ROOT_KEY
    told = {
        name
        for name, service in services().items()
        for variable, value in service.get("environment", {}).items()
        if "MINIO_ROOT_" in f"{variable}{value}" and value
    }
    assert told == {"minio", "buckets"}
    blank = [name for name, service in services().items() if "env_file" in service and name not in told]
    for name in blank:
        assert all(services()[name]["environment"][each.upper()] == "" for each in ROOT_KEY), name
    assert {name_of(found) for found in all_pods() if "mam-root" in str(found)} == {"minio", "buckets"}


def test_without_an_administrator_of_its_own_the_store_has_minio_usr() -> None:
    environment = services()["minio"]["environment"]
    assert environment["MINIO_ROOT_USER"] == "${MINIO_ROOT_USR:-${MINIO_USR}}"
    assert environment["MINIO_ROOT_PASSWORD"] == "${MINIO_ROOT_PWD:-${MINIO_PWD}}"


def test_what_uses_the_store_waits_for_its_users() -> None:
    using = [
        name
        for name, service in services().items()
        if service["image"] == IMAGE_OF_COMPOSE and service.get("network_mode") != "none"
    ]
    assert [name for name in using if not waits_for("buckets", name)] == ["buckets"]


def test_what_the_compose_file_reads_from_the_environment_are_settings_or_told_in_the_readme() -> None:
    named = set(re.findall(r"(?<!\$)\$\{(\w+)", COMPOSE_FILE.read_text("utf-8")))
    assert named - {name.upper() for name in StoreKeySettings.model_fields} == OF_COMPOSE
    readme, head = (ROOT / "README.md").read_text("utf-8"), COMPOSE_FILE.read_text("utf-8").partition("\nname:")[0]
    assert all(f"`{name}`" in readme and name in head for name in OF_COMPOSE | {name.upper() for name in ROOT_KEY})


@deployments
def test_what_may_be_streamed_is_listed(programs: list[Program]) -> None:
    """Else everything that the key can read may be converted by anybody."""
    assert all(dict(program.environment).get("MINIO_SOURCE_BUCKETS") for program in programs)


@deployments
def test_redis_asks_for_a_password(programs: list[Program]) -> None:
    assert all(dict(program.environment).get("REDIS_PASSWORD") for program in programs)


def test_workers_are_not_told_by_another_name_either() -> None:
    values = [value for program in DEPLOYMENTS["compose"] if program.queues for _, value in program.environment]
    assert not [value for value in values for name in SERVICES_ALONE if name.upper() in value]


@deployments
def test_the_source_buckets_are_made(programs: list[Program]) -> None:
    (job,) = of_kind("Job")
    made = {"compose": shlex.split(services()["buckets"]["command"]), "kubernetes": container_of(job)["command"]}
    where = programs[0].where.partition(":")[0]
    assert made[where] == ["python", "-m", "mam", "store-keys"]
    assert "store-keys" in COMMANDS


# what the image is made of


def test_one_service_builds_the_image_and_none_pulls_it() -> None:
    """Several builds of one image get in each other's way on engines that keep images as containerd does."""
    ours = {name: service for name, service in services().items() if service["image"] == IMAGE_OF_COMPOSE}
    assert [name for name, service in services().items() if "build" in service] == ["volume"]
    assert {name for name, service in ours.items() if service.get("pull_policy") == "never"} == ours.keys() - {"volume"}
    assert [name for name, service in services().items() if not waits_for("volume", name)] == ["volume", "redis"]


def waits_for(first: str, name: str) -> bool:
    return any(each == first or waits_for(first, each) for each in services()[name].get("depends_on", ()))


def test_somebody_waits_for_the_end_of_what_runs_once() -> None:
    """`docker compose up --wait` takes the end of any other for a failure."""
    awaited = {
        name
        for service in services().values()
        for name, how in service.get("depends_on", {}).items()
        if how["condition"] == "service_completed_successfully"
    }
    begun = {name: service for name, service in services().items() if "profiles" not in service}
    assert awaited == {name for name, service in begun.items() if service["restart"] == "no"}


def images() -> list[str]:
    """All that are not ours."""
    of_the_build = re.findall(r"^FROM (\S+)", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)
    of_compose = [service["image"] for service in services().values()]
    of_kubernetes = [container_of(found)["image"] for found in all_pods()]
    return sorted({*of_the_build, *of_compose, *of_kubernetes} - {IMAGE, IMAGE_OF_COMPOSE})


@pytest.mark.parametrize("image", images())
def test_images_have_a_version_that_does_not_move(image: str) -> None:
    assert re.search(r":(v?\d+\.\d+\.\d+|RELEASE\.\d{4}-)", image)


def test_compose_and_kubernetes_run_the_same_redis_and_minio() -> None:
    compose_has = {services()[name]["image"] for name in ("redis", "minio")}
    assert compose_has == {container_of(found)["image"] for found in workloads()} - {IMAGE}


@cache
def locked() -> dict[str, tuple[Version, int]]:
    """What the image installs, by name: its version, and of how many files there is a hash."""
    text = (ROOT / "requirements.lock").read_text("utf-8").replace("\\\n", " ")
    found: dict[str, tuple[Version, int]] = {}
    for line in text.splitlines():
        if not line.startswith("#"):
            name, _, rest = line.partition("==")
            version, *hashes = rest.split()
            assert all(re.fullmatch(r"--hash=sha256:[0-9a-f]{64}", each) for each in hashes), line
            found[canonicalize_name(name)] = Version(version), len(hashes)
    return found


def test_the_image_installs_what_is_locked_by_hashes_and_nothing_else() -> None:
    assert all(hashes for _, hashes in locked().values())
    installs = re.findall(r"pip .*?install (.*?)(?:&&|\n\S|$)", (ROOT / "Dockerfile").read_text("utf-8"), re.DOTALL)
    assert len(installs) == 1
    assert {"--require-hashes", "--no-deps", "requirements.lock"} <= set(installs[0].replace("\\\n", " ").split())


@pytest.mark.parametrize("line", [*(ROOT / "requirements.txt").read_text("utf-8").splitlines()])
def test_what_is_locked_is_what_is_required(line: str) -> None:
    """`make lock` makes it so again."""
    text = line.partition("#")[0].strip()
    if text:
        requirement = Requirement(text)
        version, _ = locked()[canonicalize_name(requirement.name)]
        assert version in requirement.specifier


@deployments
def test_every_queue_is_served_and_there_are_hands_for_viewers_alone(programs: list[Program]) -> None:
    served = {program.queues for program in programs if program.queues}
    assert set(QUEUES) == {queue for queues in served for queue in queues}
    assert {QUEUES, VIEWERS} == served  # in the order in which workers are to look at them


@deployments
def test_the_transcoding_service_starts_no_workers_beside_them(programs: list[Program]) -> None:
    (service,) = [program for program in programs if program.module[0] == "video_transcoding_main_server"]
    assert dict(service.environment)["EMBEDDED_WORKERS"] == "0"


@deployments
def test_workers_stop_politely_and_show_their_metrics(programs: list[Program]) -> None:
    for worker in (program for program in programs if program.queues):
        environment = dict(worker.environment)
        assert environment["REMAP_SIGTERM"] == "SIGQUIT"
        assert "WORKER_METRICS_PORT" in environment


@deployments
def test_what_people_are_told_to_type_is_what_is_deployed(programs: list[Program]) -> None:
    assert in_text("README.md")
    assert {(each.module, each.queues) for each in in_text("README.md")} == {
        (each.module, each.queues) for each in programs
    }
    assert {each.argv for each in in_text("Procfile")} <= {each.argv for each in in_text("README.md")}


# how Kubernetes runs them


def test_autoscalers_look_at_the_queues_of_what_they_scale() -> None:
    by_target = {found["spec"]["scaleTargetRef"]["name"]: found for found in of_kind("ScaledObject")}
    assert list(VIEWERS) == lists(by_target["viewers"])
    assert lists(by_target["batch"]) == [*served((HIGH, BATCH, LOW)), UNACKNOWLEDGED]
    assert formula(by_target["batch"]) == triggers(by_target["batch"])
    for program in DEPLOYMENTS["kubernetes"]:
        scaled = by_target.get(program.where.partition(":")[2])
        if scaled:
            assert set(lists(scaled)) - {UNACKNOWLEDGED} <= set(served(program.queues))


def formula(scaled: Yaml) -> list[str]:
    """What is added up."""
    return str(scaled["spec"]["advanced"]["scalingModifiers"]["formula"]).split(" + ")


def triggers(scaled: Yaml) -> list[str]:
    return [trigger["name"] for trigger in scaled["spec"]["triggers"]]


def lists(scaled: Yaml) -> list[str]:
    return [trigger["metadata"]["listName"] for trigger in scaled["spec"]["triggers"]]


def test_autoscalers_look_into_the_database_of_the_queues() -> None:
    for program in DEPLOYMENTS["kubernetes"]:
        of_queues = str(settings_of(program).broker_db)
        for scaled in of_kind("ScaledObject"):
            assert {trigger["metadata"]["databaseIndex"] for trigger in scaled["spec"]["triggers"]} == {of_queues}


def test_autoscalers_find_redis_from_their_own_namespace() -> None:
    """They read it from the environment of what they scale: a short name would mean another service there."""
    (settings,) = of_kind("ConfigMap")
    (namespace,) = of_kind("Namespace")
    assert settings["data"]["REDIS_HOST"] == f"redis.{name_of(namespace)}.svc"
    given = set(settings["data"]) | set(of_kind("Secret")[0]["stringData"])
    for scaled in of_kind("ScaledObject"):
        for trigger in scaled["spec"]["triggers"]:
            named = {value for key, value in trigger["metadata"].items() if key.endswith("FromEnv")}
            assert {"REDIS_HOST", "REDIS_PORT", "REDIS_PASSWORD"} == named
            assert named <= given


def test_batch_workers_are_counted_by_what_waits_and_what_is_in_hand() -> None:
    (batch,) = [found["spec"] for found in of_kind("ScaledObject") if name_of(found) == "batch"]
    sums = batch["advanced"]["scalingModifiers"]
    (worker,) = [program for program in DEPLOYMENTS["kubernetes"] if program.where == "kubernetes:batch"]
    assert sums["formula"].split(" + ") == [trigger["name"] for trigger in batch["triggers"]]
    assert sums["target"] == worker.argv[worker.argv.index("-c") + 1]


def test_what_is_scaled_exists_and_does_not_say_itself_how_many_there_are() -> None:
    scalers = of_kind("ScaledObject", "HorizontalPodAutoscaler")
    scaled = {found["spec"]["scaleTargetRef"]["name"] for found in scalers}
    assert {"vod", "viewers", "batch"} == scaled
    assert scaled == {name_of(found) for found in ours() if "replicas" not in found["spec"]}


def test_there_are_two_of_what_players_wait_for() -> None:
    (vod,) = of_kind("HorizontalPodAutoscaler")
    (viewers,) = [found["spec"] for found in of_kind("ScaledObject") if name_of(found) == "viewers"]
    assert vod["spec"]["minReplicas"] >= 2
    assert viewers["minReplicaCount"] >= 2
    assert {"vod", "viewers", "transcoder"} == {name_of(found) for found in of_kind("PodDisruptionBudget")}


@pytest.mark.parametrize("chooser", of_kind("Service", "PodDisruptionBudget", "NetworkPolicy"), ids=name_of)
def test_whoever_chooses_pods_finds_those_of_the_same_name(chooser: Yaml) -> None:
    spec = chooser["spec"]
    selector = (
        spec["selector"]
        if chooser["kind"] == "Service"
        else (spec.get("selector") or spec["podSelector"])["matchLabels"]
    )
    chosen = [
        found for found in workloads() if selector.items() <= found["spec"]["template"]["metadata"]["labels"].items()
    ]
    assert [name_of(chooser)] == [name_of(found) for found in chosen]
    if chooser["kind"] == "Service":
        named = {port["name"] for port in container_of(chosen[0])["ports"]}
        assert {port["targetPort"] for port in spec["ports"]} <= named


@each_of_ours
def test_probes_and_prometheus_ask_at_a_port_that_is_listened_to(workload: Yaml) -> None:
    container = container_of(workload)
    (port,) = container["ports"]
    argv, environment = container["command"], {each["name"]: each.get("value") for each in container.get("env", [])}
    listening = environment.get("WORKER_METRICS_PORT") or next(word[7:] for word in argv if word.startswith("--port="))
    assert port["containerPort"] == int(listening)
    assert workload["spec"]["template"]["metadata"]["annotations"]["prometheus.io/port"] == listening
    assert {container[probe]["httpGet"]["port"] for probe in container if probe.endswith("Probe")} == {port["name"]}


@each_of_ours
def test_services_are_alive_by_healthz_and_ready_by_readyz(workload: Yaml) -> None:
    container = container_of(workload)
    if name_of(workload) in SERVICES:
        assert container["livenessProbe"]["httpGet"]["path"] == "/healthz"
        assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    else:
        paths = {container[probe]["httpGet"]["path"] for probe in ("startupProbe", "livenessProbe")}
        assert [status_of_metrics_server(path) for path in paths] == [200]


def status_of_metrics_server(path: str) -> int:
    """What a worker's metrics server answers while nothing can be collected."""

    class Unreachable(Collector):
        def collect(self) -> Iterable[Metric]:
            raise TimeoutError

        def describe(self) -> Iterable[Metric]:
            return []

    registry, said = CollectorRegistry(), list[str]()
    registry.register(Unreachable())
    request = {"REQUEST_METHOD": "GET", "PATH_INFO": path, "QUERY_STRING": ""}
    make_wsgi_app(registry)(request, lambda status, *_: said.append(status))
    return int(said[0].split()[0])


# what they may do, and how much they may take


def user_of_the_image() -> int:
    user, _, group = re.findall(r"^USER (.+)$", (ROOT / "Dockerfile").read_text("utf-8"), re.MULTILINE)[-1].partition(
        ":"
    )
    assert user == group  # as Kubernetes has it
    return int(user)


@each_workload
def test_pods_are_nobody_and_can_write_nowhere(workload: Yaml) -> None:
    pod, container = pod_of(workload), container_of(workload)
    assert pod["securityContext"]["runAsNonRoot"] is True
    assert pod["securityContext"]["runAsUser"] > 0
    assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False  # REDIS_PORT would be a URL, and no service would start
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert {"name": "tmp", "mountPath": "/tmp"} in container["volumeMounts"]


@each_of_ours
def test_our_pods_run_as_the_user_of_the_image(workload: Yaml) -> None:
    security = pod_of(workload)["securityContext"]
    assert security["runAsUser"] == security["runAsGroup"] == user_of_the_image() > 0


@each_workload
def test_pods_say_what_they_need_and_what_they_may_take(workload: Yaml) -> None:
    resources = container_of(workload)["resources"]
    assert {"cpu", "memory"} == resources["requests"].keys()
    assert "memory" in resources["limits"]


@each_service
def test_containers_of_the_compose_file_can_write_nowhere_and_take_only_so_much(service: Yaml) -> None:
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["pids_limit"]
    assert service["mem_limit"]
    assert service["ulimits"] == {"nofile": 16384, "core": 0}
    (tmp,) = service["tmpfs"]
    assert {"size=64m", "noexec", "nosuid", "nodev"} <= set(tmp.removeprefix("/tmp:").split(","))


def test_containers_of_the_compose_file_are_nobody_but_for_the_one_that_gives_minio_its_volume() -> None:
    as_image = str(user_of_the_image())
    root = {
        name
        for name, service in services().items()
        if service.get("user", as_image if service["image"] == IMAGE_OF_COMPOSE else "0").partition(":")[0]
        in ("0", "root")
    }
    assert {"volume"} == root
    volume = services()["volume"]
    assert (volume["cap_add"], volume["network_mode"], volume["restart"]) == (["CHOWN"], "none", "no")
    assert services()["minio"]["user"] in volume["command"][-1]
    assert [name for name, service in services().items() if "cap_add" in service] == ["volume"]


def test_ports_of_the_compose_file_are_settings_and_open_to_this_machine_alone() -> None:
    ports = [port for service in services().values() for port in service.get("ports", [])]
    assert len(ports) == 4
    assert all(
        re.fullmatch(r"(\$\{BIND_ADDRESS:-127\.0\.0\.1\}|127\.0\.0\.1):\$\{\w+_PORT:-\d+\}:\d+", port) for port in ports
    )


def test_what_opens_media_is_in_a_network_that_leads_nowhere() -> None:
    """It opens what strangers have made: the store and the queues are all that it may reach."""
    assert compose()["networks"]["inside"]["internal"] is True
    for name in ("worker", "viewers", "redis", "buckets"):
        assert services()[name]["networks"] == ["inside"]
    policies = {name_of(found): found["spec"] for found in of_kind("NetworkPolicy")}
    workers = {program.where.partition(":")[2] for program in DEPLOYMENTS["kubernetes"] if program.queues}
    assert workers < policies.keys()
    for name in workers:
        assert {"Ingress", "Egress"} == set(policies[name]["policyTypes"])
        reached = {port["port"] for rule in policies[name]["egress"] for port in rule["ports"]}
        assert reached == {53, 6379, 9000}
        assert all(rule["to"] for rule in policies[name]["egress"])


@pytest.mark.parametrize("name", ["redis", "minio"])
def test_what_keeps_data_reaches_nobody(name: str) -> None:
    (policy,) = [found["spec"] for found in of_kind("NetworkPolicy") if name_of(found) == name]
    assert "Egress" in policy["policyTypes"]
    assert "egress" not in policy


def test_the_least_that_kubernetes_needs_is_told() -> None:
    least = {name_of(found): found["spec"].get("minReplicas") for found in of_kind("HorizontalPodAutoscaler")}
    least |= {name_of(found): found["spec"]["minReplicaCount"] for found in of_kind("ScaledObject")}
    cores = memory = 0.0
    for workload in workloads():
        asked = container_of(workload)["resources"]["requests"]
        pods = workload["spec"].get("replicas") or least[name_of(workload)]
        cores += pods * (float(asked["cpu"].removesuffix("m")) / (1000 if asked["cpu"].endswith("m") else 1))
        memory += pods * int(asked["memory"][:-2]) / {"Mi": 1024, "Gi": 1}[asked["memory"][-2:]]
    told = re.search(r"ask for ([\d.]+) cores and ([\d.]+) GiB", (KUBERNETES / "README.md").read_text("utf-8"))
    assert told is not None
    assert 0 <= float(told[1]) - cores < 0.5
    assert 0 <= float(told[2]) - memory < 0.5


def test_whoever_runs_on_is_looked_after() -> None:
    lasting = {name for name, service in services().items() if service["restart"] != "no"}
    assert lasting == {name for name, service in services().items() if "healthcheck" in service}


def test_workers_are_given_the_time_that_they_take_to_leave() -> None:
    for name in ("worker", "viewers"):
        assert int(services()[name]["stop_grace_period"].removesuffix("s")) > WORKER_SECONDS
    for workload in ours():
        assert pod_of(workload)["terminationGracePeriodSeconds"] > WORKER_SECONDS


def redis_options() -> dict[str, list[str]]:
    (found,) = [container_of(found)["args"] for found in workloads() if name_of(found) == "redis"]
    script = services()["redis"]["command"][-1].partition("<<")[0].removeprefix("exec ").replace(" - ", " ")
    return {"compose": shlex.split(script.replace("\\\n", " ")), "kubernetes": found}


@pytest.mark.parametrize("command", redis_options().values(), ids=redis_options())
def test_redis_keeps_what_it_is_told_and_refuses_rather_than_forgets(command: list[str]) -> None:
    options = dict(zip(command[1::2], command[2::2], strict=True))
    assert (options["--appendonly"], options["--appendfsync"], options["--maxmemory-policy"]) == (
        "yes",
        "everysec",
        "noeviction",
    )
    assert options["--protected-mode"] == "no"  # which some builds have on


# what is watched


@cache
def metrics() -> dict[str, set[str]]:
    """Every metric that the code declares, as Prometheus calls it, with its labels."""
    found = {f"{name}_total": set(labels) for name, _, labels in COUNTED.values()}
    for path in (ROOT / "mam").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Call) and node.args:
                for name in names_in(node.args[0]):
                    found |= {f"{name}{ending}": labels for ending, labels in endings(node).items()}
    return found


def names_in(node: ast.expr) -> Iterator[str]:
    """`mam_x`, or both of f"mam_{service}_x"."""
    if isinstance(node, ast.Constant) and re.fullmatch(r"mam_\w+", str(node.value)):
        yield str(node.value)
    if isinstance(node, ast.JoinedStr) and ast.unparse(node).startswith("f'mam_{service}"):
        parts = [str(part.value) if isinstance(part, ast.Constant) else None for part in node.values]
        yield from ("".join(service if part is None else part for part in parts) for service in SERVICES)


def endings(declaration: ast.Call) -> dict[str, set[str]]:
    """What Prometheus' client makes of a name, by its kind; and its labels."""
    kind = ast.unparse(declaration.func)
    named = [each.value for each in declaration.keywords if each.arg in ("labels", "labelnames")]
    labels = {
        str(node.value)
        for each in (*declaration.args[2:], *named)
        for node in ast.walk(each)
        if isinstance(node, ast.Constant)
    }
    if "Counter" in kind:
        return {"_total": labels}
    if "Histogram" in kind:
        return {"_bucket": labels | {"le"}, "_count": labels, "_sum": labels}
    return {"": labels}


@dataclass
class Query:
    """What an expression asks for."""

    metrics: set[str]
    labels: set[str]  # that it chooses or groups by
    values: list[tuple[str, str]]  # that it chooses: of which label

    @classmethod
    def of(cls, expression: str) -> Query:
        """Raises ValueError when it is none."""
        query = cls(set(), set(), [])

        def look(node: promql_parser.Expr) -> bool:
            if isinstance(node, promql_parser.MatrixSelector):
                look(node.vector_selector)
            if isinstance(node, promql_parser.VectorSelector):
                query.metrics.add(str(node.name))
                for matcher in node.matchers.matchers:
                    query.labels.add(matcher.name)
                    query.values += [(matcher.name, value) for value in matcher.value.split("|")]
            if isinstance(node, promql_parser.AggregateExpr) and node.modifier:
                query.labels |= set(node.modifier.labels)
            return True

        promql_parser.walk(promql_parser.parse(expression), look)
        return query


def panels() -> list[Yaml]:
    return list(json.loads(DASHBOARD.read_text("utf-8"))["panels"])


def rules() -> list[Yaml]:
    groups = yaml.safe_load((PROMETHEUS / "alerts.yml").read_text("utf-8"))["groups"]
    return [rule for group in groups for rule in group["rules"]]


def expressions() -> dict[str, str]:
    """By where they are; Grafana's own variables filled in."""
    shown = {
        f"{panel['id']} {panel['title']} {target['refId']}": target["expr"].replace("$__rate_interval", "5m")
        for panel in panels()
        for target in panel.get("targets", [])
    }
    return shown | {rule["alert"]: rule["expr"] for rule in rules()}


@pytest.mark.parametrize("expression", expressions().values(), ids=expressions())
def test_what_is_asked_for_is_shown_by_the_code(expression: str) -> None:
    query, known = Query.of(expression), {**metrics(), "up": {"job"}}
    assert query.metrics
    assert query.metrics <= known.keys()
    assert query.labels <= set().union(*(known[name] for name in query.metrics))
    values = {"queue": set(LISTS), "state": {state.value for state in State}, "job": scraped()}
    assert all(value in values[label] for label, value in query.values if label in values)


def test_every_metric_of_the_fleet_is_on_the_dashboard() -> None:
    shown = set().union(*(Query.of(expression).metrics for expression in expressions().values()))
    assert {f"{name}_total" for name, _, _ in COUNTED.values()} <= shown


@pytest.mark.parametrize("wrong", ["sum(mam_jobs", "sum by (queue mam_jobs", "rate(mam_jobs)"])
def test_what_is_no_expression_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        Query.of(wrong)


def test_what_all_processes_show_is_never_added_up() -> None:
    """What lies in Redis is shown by every process of the transcoding service: two would be twice as much."""
    everywhere = {name for name in metrics() if not name.startswith(tuple(f"mam_{service}_" for service in SERVICES))}
    for where, expression in expressions().items():
        for found in re.finditer(r"(\w+)(?: by \([^)]*\))? ?\((?:(?:rate|increase)\()?(mam_\w+)", expression):
            assert found[1] == "max" or found[2] not in everywhere, where


def test_the_dashboard_can_be_imported_anywhere() -> None:
    dashboard = json.loads(DASHBOARD.read_text("utf-8"))
    assert [variable["name"] for variable in dashboard["templating"]["list"]] == ["datasource"]
    sources = [
        each["datasource"]
        for panel in panels()
        for each in (panel, *panel.get("targets", []))
        if panel["type"] != "row"
    ]
    assert all(source == {"type": "prometheus", "uid": "${datasource}"} for source in sources)
    assert len({panel["id"] for panel in panels()}) == len(panels())


def test_no_panel_lies_on_another() -> None:
    taken = [cell for panel in panels() for cell in cells(**panel["gridPos"])]
    assert len(set(taken)) == len(taken)
    assert all(0 <= x < 24 for x, _ in taken)


def cells(*, x: int, y: int, w: int, h: int) -> Iterable[tuple[int, int]]:
    return ((across, down) for across in range(x, x + w) for down in range(y, y + h))


@pytest.mark.parametrize("rule", rules(), ids=lambda rule: rule["alert"])
def test_alerts_say_how_bad_it_is_and_what_it_means(rule: Yaml) -> None:
    assert {"alert", "expr", "for", "labels", "annotations"} == rule.keys()
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert all(rule["annotations"][each] for each in ("summary", "description"))
    assert re.fullmatch(r"\d+[mh]", rule["for"])


def scraped() -> set[str]:
    """The names of Prometheus' jobs in its example for the compose file."""
    return {
        job["job_name"] for job in yaml.safe_load((PROMETHEUS / "compose.yml").read_text("utf-8"))["scrape_configs"]
    }


def test_prometheus_asks_every_service_of_the_compose_file_at_its_port() -> None:
    jobs = yaml.safe_load((PROMETHEUS / "compose.yml").read_text("utf-8"))["scrape_configs"]
    asked = {(name, found["port"]) for job in jobs for found in job["dns_sd_configs"] for name in found["names"]}
    listening = set()
    for program in DEPLOYMENTS["compose"]:
        port = dict(program.environment).get("WORKER_METRICS_PORT") or program.argv[program.argv.index("--port") + 1]
        listening.add((program.where.partition(":")[2], int(port)))
    assert listening == asked


def test_prometheus_calls_the_same_things_by_the_same_names_in_kubernetes() -> None:
    (job,) = yaml.safe_load((PROMETHEUS / "kubernetes.yml").read_text("utf-8"))["scrape_configs"]
    naming = [rule for rule in job["relabel_configs"] if rule.get("target_label") == "job"]
    components = {found["metadata"]["labels"]["app.kubernetes.io/component"] for found in ours()}
    called = {
        component: found.expand(rule["replacement"].replace("$", "\\"))
        for component in components
        for rule in naming
        if (found := re.fullmatch(rule["regex"], component))
    }
    assert components == called.keys()
    assert scraped() == set(called.values())
