"""A cloud on this machine: the synthesized template deployed into moto, its functions and jobs run as processes.

Everything the pipeline's code does to AWS it does over HTTP, by AWS_ENDPOINT_URL, against moto's server.
"""

from __future__ import annotations

import base64
import copy
import json
import logging
import os
import re
import shutil
import threading
import time
import uuid
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal
from urllib.parse import parse_qs, parse_qsl, urlencode, urlsplit

import boto3
import jsonschema
from werkzeug.serving import BaseWSGIServer, make_server

from tests.aws.moto_gaps import MADE, HttpRefused
from tests.aws.runtime import Answer, Functions, Program, run_job

ACCOUNT, REGION = "123456789012", "us-east-1"
SECRETS = {"webhook-secret": "let-the-hook-in", "database-key": "service-key"}
"""By name in Secrets Manager."""
ON_THE_CPU = {"DETECT_DEVICE": "cpu", "DETECT_DECODER": "cpu", "DETECT_WORKERS": "1"}
"""Put over a Batch job's own environment, as there is no GPU here."""
RUN_S = float(os.environ.get("TALENT_FRAMES_TEST_RUN_S", "90"))
"""A run that has not ended by then is stuck; a busy machine may need more."""
SOON_S = RUN_S / 4
"""What follows at once has happened by then."""


@dataclass(frozen=True)
class Received:
    """A request at the receiver."""

    method: str
    host: str
    """As the sender addressed it."""
    path: str
    query: dict[str, str]
    headers: dict[str, str]
    body: Any


class Receiver:
    """A local HTTP server that stands for the user's webhook and database."""

    def __init__(self) -> None:
        self.received: list[Received] = []
        self.answers: dict[tuple[str, str], Callable[[Received], tuple[int, Any]]] = {}
        """By method and path; others get 200 and an empty object."""
        receiver = self

        class Requests(BaseHTTPRequestHandler):
            def _take(self) -> None:
                parts = urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                asked = Received(
                    self.command,
                    self.headers.get("X-Forwarded-Host", ""),
                    parts.path,
                    dict(parse_qsl(parts.query)),
                    {name.lower(): value for name, value in self.headers.items()},
                    json.loads(body) if body else None,
                )
                receiver.received.append(asked)
                answer = receiver.answers.get((asked.method, asked.path))
                status, said = answer(asked) if answer else (200, {})
                text = json.dumps(said).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PATCH = _take

            def log_message(self, *_: Any) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Requests)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def url(self, address: str) -> str:
        """Where what is addressed to `https://host/path` really goes."""
        return f"http://127.0.0.1:{self._server.server_address[1]}{urlsplit(address).path}"

    def end(self) -> None:
        self._server.shutdown()
        self._server.server_close()


Fault = Literal["busy", "lost", "slow", "expired"]
"""503, or throttling; carried out, but the answer gets lost; late; a signed URL that has expired from here on."""
SLOW_S = 0.5


class Faults:
    """moto's server with faults to order, for requests whose path matches, so many times."""

    def __init__(self, app: Any) -> None:
        self._app = app
        self._lock = threading.Lock()
        self._ordered: list[list[Any]] = []
        self._expired: set[str] = set()
        """Signatures."""
        self.requests: list[tuple[str, str, str]] = []
        """Method, path and range of every request."""

    def order(self, method: str, path: str, times: int, fault: Fault = "busy") -> None:
        """`path` is searched for in a request's path and, behind a space, the action of services that name it apart."""
        with self._lock:
            self._ordered.append([method, re.compile(path), times, fault])

    def clear(self) -> None:
        with self._lock:
            self._ordered.clear()
            self._expired.clear()

    def __call__(self, environ: Any, start_response: Any) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        self.requests.append((method, path, environ.get("HTTP_RANGE", "")))
        action = environ.get("HTTP_X_AMZ_TARGET", "")
        signature = parse_qs(environ.get("QUERY_STRING", "")).get("X-Amz-Signature", [""])[0]
        met = self._met(method, f"{path} {action}", signature)
        if met == "slow":
            time.sleep(SLOW_S)
        elif met == "lost":
            for _ in self._app(environ, lambda *_: None):
                pass
            return _refused(start_response, "500 Internal Server Error", "InternalError", action)
        elif met == "busy":
            return _refused(start_response, "503 Slow Down", "SlowDown", action)
        elif met == "expired":
            return _refused(start_response, "403 Forbidden", "AccessDenied", action, "Request has expired")
        answer: Iterable[bytes] = self._app(environ, start_response)
        return answer

    def _met(self, method: str, what: str, signature: str) -> str:
        """The fault this request meets, empty for none."""
        with self._lock:
            if signature in self._expired:
                return "expired"
            for fault in self._ordered:
                if fault[0] == method and fault[1].search(what) and fault[2]:
                    if fault[3] == "expired":
                        if not signature:
                            continue
                        self._expired.add(signature)
                    fault[2] -= 1
                    return str(fault[3])
        return ""


def _refused(
    start_response: Any, status: str, code: str, action: str, text: str = "Please reduce your request rate."
) -> list[bytes]:
    """A service's refusal, as S3 writes it or, with an action, DynamoDB."""
    if action:
        name = "InternalServerError" if code == "InternalError" else "ProvisionedThroughputExceededException"
        start_response(
            "500 Internal Server Error" if code == "InternalError" else "400 Bad Request",
            [("Content-Type", "application/x-amz-json-1.0")],
        )
        return [json.dumps({"__type": f"com.amazonaws.dynamodb.v20120810#{name}", "message": text}).encode()]
    start_response(status, [("Content-Type", "application/xml")])
    return [f"<Error><Code>{code}</Code><Message>{text}</Message></Error>".encode()]


class Cloud:
    """The emulated account. `deploy` puts a stack into it."""

    def __init__(self, work: Path, pack: Path) -> None:
        from moto.moto_server.werkzeug_app import DomainDispatcherApplication, MotoRequestHandler, create_backend_app

        self.work = work
        self._pack = pack
        self.receiver = Receiver()
        self.faults = Faults(DomainDispatcherApplication(create_backend_app))
        self._server: BaseWSGIServer = make_server(
            "127.0.0.1", 0, self.faults, threaded=True, request_handler=MotoRequestHandler
        )
        threading.Thread(target=self._server.serve_forever, daemon=True).start()
        self.endpoint = f"http://127.0.0.1:{self._server.server_address[1]}"
        logs = work / "logs"
        logs.mkdir()
        self.functions = Functions(logs)
        self.jobs: list[tuple[Any, int]] = []
        """Command and exit code of every Batch job."""
        self.job_environment: dict[str, str] = dict(ON_THE_CPU)
        self.before_job: Callable[[Any], None] | None = None
        self.machines = True
        """Whether Batch gets machines."""
        self.refusals: dict[str, list[str]] = {}
        """Errors by which the next calls of a stage are refused, by its name."""
        self._images: dict[str, Program] = {}
        self._clients: dict[str, Any] = {}
        self._lock = threading.Lock()
        # Its lines hold signed URLs, and there are thousands.
        logging.getLogger("werkzeug").setLevel(logging.WARNING)
        self._stop_pipes = threading.Event()
        self.stacks: list[Stack] = []

    def client(self, service: str) -> Any:
        """A client of a service of the account, made once."""
        with self._lock:
            if service not in self._clients:
                self._clients[service] = boto3.client(service)
            return self._clients[service]

    # what moto asks of us

    def has_machine(self) -> bool:
        return self.machines

    def refuses(self, function: Any) -> str:
        for stage, errors in self.refusals.items():
            if f"-{stage}Function" in function.function_name and errors:
                return errors.pop(0)
        return ""

    def invoke(self, function: Any, body: bytes) -> Answer:
        stack = next(stack for stack in self.stacks if function.function_name in stack.function_names())
        image = (function.code or {}).get("ImageUri")
        if image:
            program = self._image(stack, str(image).rpartition(":")[2], "lambda")
        else:
            folder = stack.assets / f"asset.{Path(function.code['S3Key']).stem}"
            program = Program(folder, (function.handler,), {})
        program = Program(program.root, program.command, self._inside(program.environment | function.environment_vars))
        return self.functions.invoke(
            function.function_name, function.function_arn, program, body, float(function.timeout)
        )

    def run_job(self, job: Any) -> int:
        container = job.job_definition.container_properties
        stack = next(stack for stack in self.stacks if job.job_definition.name in stack.job_names())
        program = self._image(stack, container["image"].rpartition(":")[2], "batch")
        environment = {entry["name"]: entry["value"] for entry in container.get("environment", [])}
        environment = {**program.environment, **environment, **self.job_environment}
        program = Program(program.root, program.command, self._inside(environment))
        if self.before_job:
            self.before_job(job)
        command = job.container_overrides.get("command") or container.get("command", [])
        code = run_job(program, list(command), self.functions.log("batch"), RUN_S)
        self.jobs.append((command, code))
        return code

    def deliver(self, event: dict[str, Any], destination: str) -> None:
        """EventBridge to an API destination, with its connection's header; tries again on 429 and 5xx."""
        made = MADE[destination]
        connection = MADE[made.properties["ConnectionArn"]]
        for _ in range(3):
            status, _ = self._ask(
                made.properties["HttpMethod"], made.properties["InvocationEndpoint"], {}, connection, event
            )
            if status < 429:
                return
            time.sleep(0.1)

    def call(self, parameters: dict[str, Any]) -> dict[str, Any]:
        """A state's `http:invoke`."""
        connection = MADE[parameters["Authentication"]["ConnectionArn"]]
        status, body = self._ask(
            parameters["Method"],
            parameters["ApiEndpoint"],
            parameters.get("QueryParameters", {}),
            connection,
            parameters.get("RequestBody"),
            parameters.get("Headers", {}),
        )
        if status >= 300:
            raise HttpRefused(status, json.dumps(body))
        return {"StatusCode": status, "StatusText": "OK", "Headers": {}, "ResponseBody": body}

    def _ask(
        self, method: str, url: str, query: dict[str, Any], connection: Any, body: Any, headers: Any = None
    ) -> tuple[int, Any]:
        import requests

        auth = connection.properties["AuthParameters"]
        sent = {"X-Forwarded-Host": urlsplit(url).netloc, **(headers or {})}
        sent[auth["ApiKeyAuthParameters"]["ApiKeyName"]] = _secret(auth["ApiKeyAuthParameters"]["ApiKeyValue"])
        for parameter in auth.get("InvocationHttpParameters", {}).get("HeaderParameters", []):
            # EventBridge's own headers of a connection come before those of a state.
            sent[parameter["Key"]] = _secret(parameter["Value"])
        answer = requests.request(
            method,
            self.receiver.url(url) + (f"?{urlencode(query)}" if query else ""),
            json=body,
            headers=sent,
            timeout=10,
        )
        return answer.status_code, answer.json() if answer.content else None

    # containers

    def _image(self, stack: Stack, tag: str, target: str) -> Program:
        key = f"{tag}-{target}"
        with self._lock:
            if key not in self._images:
                described = stack.images[tag]
                self._images[key] = lay_out(
                    stack.assets / described["directory"], described["dockerFile"], target, self.work / "images" / key
                )
            return self._images[key]

    def _inside(self, environment: Mapping[str, str]) -> dict[str, str]:
        """A function's environment, with what the Lambda service adds, and the pack where it lies on this machine."""
        return {
            **{name: str(self._pack) if value == "/opt/pack" else str(value) for name, value in environment.items()},
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "testing",
            "AWS_SECRET_ACCESS_KEY": "testing",
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def deploy(self, assets: Path, name: str) -> Stack:
        stack = Stack(self, assets, name)
        self.stacks.append(stack)
        stack.create()
        for pipe in stack.resources("AWS::Pipes::Pipe"):
            threading.Thread(target=self._pump, args=(pipe,), daemon=True).start()
        return stack

    def _pump(self, pipe: dict[str, Any]) -> None:
        """An EventBridge Pipe from a queue to a state machine: hands over an array of one message, then deletes it."""
        queues, machines = boto3.client("sqs"), boto3.client("stepfunctions")
        url = queues.get_queue_url(QueueName=pipe["Source"].rpartition(":")[2])["QueueUrl"]
        while not self._stop_pipes.wait(0.5):
            for message in queues.receive_message(QueueUrl=url, MaxNumberOfMessages=1).get("Messages", []):
                handed = [
                    {
                        "messageId": message["MessageId"],
                        "receiptHandle": message["ReceiptHandle"],
                        "body": message["Body"],
                        "attributes": {},
                        "messageAttributes": {},
                        "eventSource": "aws:sqs",
                        "eventSourceARN": pipe["Source"],
                        "awsRegion": REGION,
                    }
                ]
                machines.start_execution(
                    stateMachineArn=pipe["Target"], name=f"pipe_{uuid.uuid4()}", input=json.dumps(handed)
                )
                queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])

    def end(self) -> None:
        self._stop_pipes.set()
        self.functions.end()
        self.receiver.end()
        self._server.shutdown()
        self._server.server_close()


class Stack:
    """One deployed stack, and what a user can do with it."""

    def __init__(self, cloud: Cloud, assets: Path, name: str) -> None:
        self.cloud, self.assets, self.name = cloud, assets, name
        self.template: dict[str, Any] = json.loads((assets / f"{name}.template.json").read_text())
        described = json.loads((assets / f"{name}.assets.json").read_text())
        self.images: dict[str, Any] = {tag: image["source"] for tag, image in described.get("dockerImages", {}).items()}
        self._files = described["files"]
        self.outputs: dict[str, str] = {}

    def create(self) -> None:
        """What `cdk deploy` does: files into the assets' bucket, then the template as it is."""
        s3, formation = self.cloud.client("s3"), self.cloud.client("cloudformation")
        bucket = f"cdk-hnb659fds-assets-{ACCOUNT}-{REGION}"
        s3.create_bucket(Bucket=bucket)
        self.cloud.client("ssm").put_parameter(
            Name="/cdk-bootstrap/hnb659fds/version", Value="30", Type="String", Overwrite=True
        )
        for tag, file in self._files.items():
            path = self.assets / file["source"]["path"]
            if file["source"]["packaging"] == "zip":
                archive = shutil.make_archive(str(self.cloud.work / tag), "zip", path)
                s3.upload_file(archive, bucket, f"{tag}.zip")
            else:
                s3.upload_file(str(path), bucket, f"{tag}{path.suffix}")
        template = f"https://{bucket}.s3.amazonaws.com/{self.name}.json"
        s3.upload_file(str(self.assets / f"{self.name}.template.json"), bucket, f"{self.name}.json")
        formation.create_stack(StackName=self.name, TemplateURL=template, Capabilities=["CAPABILITY_IAM"])
        described = formation.describe_stacks(StackName=self.name)["Stacks"][0]
        assert described["StackStatus"] == "CREATE_COMPLETE", described
        self.outputs = {output["OutputKey"]: output["OutputValue"] for output in described["Outputs"]}
        for logical_id, resource in self.template["Resources"].items():
            if resource["Type"] != "AWS::S3::Bucket":
                continue
            # moto's CloudFormation leaves these out.
            bucket, properties = self.physical(logical_id), resource["Properties"]
            if "VersioningConfiguration" in properties:
                s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration=properties["VersioningConfiguration"])
            if properties.get("NotificationConfiguration", {}).get("EventBridgeConfiguration", {}):
                assert properties["NotificationConfiguration"]["EventBridgeConfiguration"]["EventBridgeEnabled"]
                s3.put_bucket_notification_configuration(
                    Bucket=bucket, NotificationConfiguration={"EventBridgeConfiguration": {}}
                )

    def physical(self, logical_id: str) -> str:
        name: str = self._stack().resource_map[logical_id].physical_resource_id
        return name

    def _stack(self) -> Any:
        from moto.cloudformation.models import cloudformation_backends

        return cloudformation_backends[ACCOUNT][REGION].get_stack(self.name)

    def resources(self, kind: str) -> list[dict[str, Any]]:
        """Properties of the resources of a type, references resolved."""
        from moto.cloudformation.parsing import clean_json

        known = self._stack().resource_map
        return [
            clean_json(copy.deepcopy(resource["Properties"]), known)
            for resource in self.template["Resources"].values()
            if resource["Type"] == kind
        ]

    def _names(self, kind: str) -> set[str]:
        return {
            self.physical(logical_id)
            for logical_id, resource in self.template["Resources"].items()
            if resource["Type"] == kind
        }

    def function_names(self) -> set[str]:
        if not hasattr(self, "_function_names"):
            self._function_names = self._names("AWS::Lambda::Function")
        return self._function_names

    def job_names(self) -> set[str]:
        if not hasattr(self, "_job_names"):
            arns = self._names("AWS::Batch::JobDefinition")
            self._job_names = {arn.rpartition("/")[2].partition(":")[0] for arn in arns}
        return self._job_names

    # what a user does

    def upload(self, video: Path, key: str) -> dict[str, Any]:
        answer: dict[str, Any] = self.cloud.client("s3").put_object(
            Bucket=self.outputs["SourceBucketName"], Key=key, Body=video.read_bytes()
        )
        return answer

    def executions(self) -> list[dict[str, Any]]:
        """Newest last."""
        pages = self.cloud.client("stepfunctions").get_paginator("list_executions")
        listed = pages.paginate(stateMachineArn=self.outputs["PipelineArn"]).build_full_result()["executions"]
        found: list[dict[str, Any]] = sorted(listed, key=lambda one: one["startDate"])
        return found

    def start(self, request: Any) -> str:
        answer = self.cloud.client("stepfunctions").start_execution(
            stateMachineArn=self.outputs["PipelineArn"], name=str(uuid.uuid4()), input=json.dumps(request)
        )
        arn: str = answer["executionArn"]
        return arn

    def started(self, before: Iterable[str], count: int = 1) -> list[str]:
        """ARNs of the executions started since `before`, once there are so many."""
        known = set(before)
        arns: list[str] = wait_for(
            lambda: [one["executionArn"] for one in self.executions() if one["executionArn"] not in known],
            lambda found: len(found) >= count,
            SOON_S,
        )
        return arns

    def arns(self) -> list[str]:
        return [one["executionArn"] for one in self.executions()]

    def ended(self, arn: str) -> dict[str, Any]:
        """The execution once it has ended."""
        machines = self.cloud.client("stepfunctions")
        found: dict[str, Any] = wait_for(
            lambda: machines.describe_execution(executionArn=arn), lambda one: one["status"] != "RUNNING", RUN_S
        )
        return found

    def states(self, arn: str) -> list[str]:
        """Names of the states an execution entered, in order."""
        history = self.cloud.client("stepfunctions").get_execution_history(executionArn=arn)["events"]
        return [event["stateEnteredEventDetails"]["name"] for event in history if "stateEnteredEventDetails" in event]

    def row(self, key: str) -> dict[str, Any]:
        """The ledger's item, as plain values; empty if there is none."""
        item = (
            self.cloud.client("dynamodb")
            .get_item(TableName=self.outputs["LedgerName"], Key={"run_id": {"S": key}})
            .get("Item", {})
        )
        return {name: int(value["N"]) if "N" in value else next(iter(value.values())) for name, value in item.items()}

    def keys(self, bucket: str, prefix: str = "") -> list[str]:
        """Keys in `Source`, `Staging` or `Published`."""
        pages = (
            self.cloud.client("s3")
            .get_paginator("list_objects_v2")
            .paginate(Bucket=self.outputs[f"{bucket}BucketName"], Prefix=prefix)
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def execution_row(self, arn: str) -> dict[str, Any]:
        """The ledger's item of an execution."""
        return self.row(f"execution#{arn.rpartition(':')[2]}")

    def folder_of(self, arn: str) -> str:
        """Where the results of an execution's run are."""
        uri: str = self.row(self.execution_row(arn)["run"])["manifest_uri"]
        return uri.removeprefix(f"s3://{self.outputs['PublishedBucketName']}/").removesuffix("manifest.json")

    def read(self, bucket: str, key: str) -> bytes:
        data: bytes = (
            self.cloud.client("s3").get_object(Bucket=self.outputs[f"{bucket}BucketName"], Key=key)["Body"].read()
        )
        return data

    def forget(self, key: str) -> None:
        """Drops what the runs of one video left, ended executions and records of calls, so that thousands are no slower
        than the first; every run's staging goes with it."""
        from moto.stepfunctions.parser.models import stepfunctions_parser_backends

        s3 = boto3.resource("s3")
        for bucket, prefix in (("Source", key), ("Staging", "runs/"), ("Published", f"{key}/")):
            s3.Bucket(self.outputs[f"{bucket}BucketName"]).object_versions.filter(Prefix=prefix).delete()
        machine = stepfunctions_parser_backends[ACCOUNT][REGION].describe_state_machine(self.outputs["PipelineArn"])
        machine.executions[:] = [one for one in machine.executions if one.stop_date is None]
        self.cloud.receiver.received.clear()
        self.cloud.functions.asked.clear()
        self.cloud.faults.requests.clear()

    def request(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """The REST API: its validator, its mapping templates and its integration, without its authorization."""
        import airspeed

        operation, parameters = self._operation(method, path)
        if body is not None:
            for model in self.resources("AWS::ApiGateway::Model"):
                try:
                    jsonschema.validate(body, model["Schema"])
                except jsonschema.ValidationError:
                    return 400, {"message": "Invalid request body"}
        integration = operation["Integration"]
        action, service = integration["Uri"].rpartition("/")[2], integration["Uri"].split(":")[4]

        def rendered(template: str, source: Any) -> tuple[Any, int | None]:
            override: dict[str, Any] = {}
            names = {
                # airspeed takes `#$name` for text; Velocity for a number sign and a reference.
                "sign": "#",
                "input": _Input(source, parameters),
                "util": _Util(),
                "context": {"responseOverride": override},
            }
            return json.loads(airspeed.Template(template.replace("#$", "${sign}$")).merge(names)), override.get(
                "status"
            )

        asked, _ = rendered(integration["RequestTemplates"]["application/json"], body)
        client = self.cloud.client({"states": "stepfunctions"}.get(service, service))
        answer = getattr(client, re.sub(r"(?<!^)(?=[A-Z])", "_", action).lower())(**asked)
        answer.pop("ResponseMetadata")
        answer = json.loads(json.dumps(answer, default=str))
        good = next(one for one in integration["IntegrationResponses"] if "SelectionPattern" not in one)
        said, override = rendered(good["ResponseTemplates"]["application/json"], answer)
        return override or int(good["StatusCode"]), said

    def _operation(self, method: str, path: str) -> tuple[dict[str, Any], dict[str, str]]:
        """The API's method for a path, and the path's parameters."""
        parts = path.strip("/").split("/")
        last = [one["PathPart"] for one in self.resources("AWS::ApiGateway::Resource")]
        parameter = next(part for part in last if part.startswith("{"))[1:-1]
        parameters = {parameter: parts[1]} if len(parts) == 2 else {}
        found = next(one for one in self.resources("AWS::ApiGateway::Method") if one["HttpMethod"] == method)
        return found, parameters


class _Input:
    """`$input` of a mapping template."""

    def __init__(self, body: Any, parameters: dict[str, str]) -> None:
        self._body, self._parameters = body, parameters

    def json(self, path: str) -> str:
        return json.dumps(self.path(path))

    def path(self, path: str) -> Any:
        value = self._body
        for part in path.split(".")[1:]:
            value = value.get(part, "") if isinstance(value, dict) else ""
        return value

    def params(self, name: str) -> str:
        return self._parameters.get(name, "")


class _Util:
    """`$util` of a mapping template."""

    def escapeJavaScript(self, text: Any) -> str:  # noqa: N802
        # API Gateway escapes single quotes too.
        return json.dumps(str(text))[1:-1].replace("'", "\\'")

    def base64Encode(self, text: str) -> str:  # noqa: N802
        return base64.b64encode(text.encode()).decode()


def wait_for(look: Callable[[], Any], enough: Callable[[Any], bool], timeout_s: float) -> Any:
    """What `look` gives once it is enough. Raises TimeoutError with the last look."""
    give_up = time.monotonic() + timeout_s
    while True:
        seen = look()
        if enough(seen):
            return seen
        if time.monotonic() > give_up:
            raise TimeoutError(f"after {timeout_s:.0f} s: {seen}")
        time.sleep(0.2)


def _secret(text: str) -> str:
    """A dynamic reference to Secrets Manager, resolved as CloudFormation does."""
    return re.sub(r"\{\{resolve:secretsmanager:([^:}]+)[^}]*\}\}", lambda found: SECRETS[found[1]], text)


def lay_out(context: Path, dockerfile: str, target: str, root: Path) -> Program:
    """What a Dockerfile's stage copies from its context, laid out in a folder, with its variables and its command.

    Packages are not installed: what installs them is tested elsewhere.
    """
    root.mkdir(parents=True)
    task_root = root / "var/task"
    task_root.mkdir(parents=True)
    environment: dict[str, str] = {}
    stages: dict[str, list[tuple[str, str]]] = {}
    parents: dict[str, str] = {}
    name = ""
    text = re.sub(r"\\\n\s*", " ", (context / dockerfile).read_text())
    for line in text.splitlines():
        found = re.match(r"\s*([A-Z]+)\s+(.*)", line)
        if not found:
            continue
        word, rest = found.groups()
        if word == "FROM":
            source, _, name = rest.partition(" AS ")
            name = name.strip() or source.strip()
            parents[name] = source.split()[-1]
            stages[name] = []
        elif name:
            stages[name].append((word, rest.strip()))
    if target not in stages:
        target = name
    lines: list[tuple[str, str]] = []
    stage = target
    while stage in stages:
        lines = stages[stage] + lines
        stage = parents[stage]
    entry: list[str] = []
    command: list[str] = []
    folder = task_root
    for word, rest in lines:
        if word == "ENV":
            environment.update(pair.split("=", 1) for pair in re.findall(r'[A-Z_0-9]+="[^"]*"|[A-Z_0-9]+=\S+', rest))
        elif word == "CMD":
            command = json.loads(rest)
        elif word == "ENTRYPOINT":
            entry = json.loads(rest)
        elif word == "COPY" and "--from" not in rest:
            *sources, place = [part for part in rest.split() if not part.startswith("--")]
            place = place.replace("${LAMBDA_TASK_ROOT}", "/var/task").replace("$LAMBDA_TASK_ROOT", "/var/task")
            copied = root / place.lstrip("/") if place.startswith("/") else folder / place
            for source in sources:
                _copy(context / source, copied, into=len(sources) > 1 or place.endswith("/"))
    kept = {name: value.strip('"') for name, value in environment.items() if "PATH" not in name}
    where = task_root if any(task_root.iterdir()) else _code_root(root)
    return Program(where, tuple(entry + command if target == "batch" else command), kept)


def _copy(source: Path, place: Path, *, into: bool) -> None:
    if source.is_dir():
        shutil.copytree(source, place, dirs_exist_ok=True)
        return
    target = place / source.name if into or place.is_dir() else place
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _code_root(root: Path) -> Path:
    """Where the `lambdas` package was copied to."""
    return next(root.rglob("lambdas")).parent
