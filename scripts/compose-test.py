#!/usr/bin/env python3
"""Tests the containers: builds the images, starts the stack under its own project name, runs the demo, restarts
each container in turn under load, and removes everything. Prints image sizes, the time to ready, and memory.

Every accepted upload must end as one converted job with one mail, whichever container was restarted meanwhile.
"""

import base64
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request
import uuid

ROOT = pathlib.Path(__file__).resolve().parent.parent
APP_PORT, INBOX_PORT = "18080", "18025"
APP, INBOX = f"http://127.0.0.1:{APP_PORT}", f"http://127.0.0.1:{INBOX_PORT}"
ENVIRONMENT = os.environ | {"APP_PORT": APP_PORT, "INBOX_PORT": INBOX_PORT, "PUBLIC_URL": APP}
COMPOSE = ["docker", "compose", "--file", "docker/compose.yaml", "--profile", "dev", "--project-name", "mixdown-test"]
SERVICES = ["gateway", "auth", "converter", "notification"]
# All except the mail catcher, which keeps its mails in memory.
RESTARTED = ["mysql", "mongodb", "rabbitmq", *SERVICES, "proxy"]
QUIETLY = {"cwd": ROOT, "env": ENVIRONMENT, "check": False, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
# The timeout of an upload, and of a wait.
PATIENCE_SECONDS = 180


def main() -> None:
    try:
        began = time.monotonic()
        run(["scripts/secrets.sh", "compose"])
        run([*COMPOSE, "build"])
        print(f"built in {time.monotonic() - began:.0f} s")
        show_image_sizes()
        began = time.monotonic()
        run([*COMPOSE, "up", "--detach", "--wait", "--wait-timeout", "300"])
        print(f"ready after {time.monotonic() - began:.1f} s from nothing, with empty volumes")
        run(["scripts/demo.sh"], APP_URL=APP, INBOX_URL=INBOX)
        show_memory()
        user = User()
        for container in RESTARTED:
            restart_under_load(user, container)
        assert_a_backup_restores(user)
        for service in SERVICES:
            assert_leaves_cleanly(service)
        print("compose-test: passed")
    except BaseException:
        subprocess.run([*COMPOSE, "logs", "--tail", "40"], cwd=ROOT, env=ENVIRONMENT, check=False)
        raise
    finally:
        subprocess.run([*COMPOSE, "down", "--volumes", "--timeout", "20"], cwd=ROOT, env=ENVIRONMENT, check=False)


def run(command: list[str], **environment: str) -> None:
    subprocess.run(command, cwd=ROOT, env=ENVIRONMENT | environment, check=True)


def output(command: list[str]) -> str:
    return subprocess.run(command, cwd=ROOT, env=ENVIRONMENT, check=True, capture_output=True, text=True).stdout


def show_image_sizes() -> None:
    version = ENVIRONMENT.get("VERSION", "dev")
    for service in SERVICES:
        size = int(output(["docker", "image", "inspect", "--format", "{{.Size}}", f"mixdown/{service}:{version}"]))
        print(f"image {service:13} {size / 1e6:6.1f} MB")


def show_memory() -> None:
    stats = ["docker", "stats", "--no-stream", "--format", "{{.Name}}\t{{.MemUsage}}", *output([*COMPOSE, "ps", "--quiet"]).split()]
    print(output(stats))


class User:
    """A new account with a confirmed address, logged in."""

    def __init__(self) -> None:
        self.email = f"compose-{uuid.uuid4().hex[:12]}@example.org"
        self.password = uuid.uuid4().hex
        body = json.dumps({"email": self.email, "password": self.password}).encode()
        answer_of("POST", "/register", body, {"Content-Type": "application/json"})
        wait_until("the mail that confirms the address is there", lambda: token_mailed_to(self.email))
        token = json.dumps({"token": token_mailed_to(self.email)}).encode()
        answer_of("POST", "/verify", token, {"Content-Type": "application/json"})
        self.log_in()

    def log_in(self) -> None:
        basic = base64.b64encode(f"{self.email}:{self.password}".encode()).decode()
        self.token = answer_of("POST", "/login", b"", {"Authorization": f"Basic {basic}"}).decode()

    def upload(self, video: bytes) -> str | None:
        """Returns the job's id, or None if the upload was not accepted."""
        boundary = uuid.uuid4().hex
        form = (
            f'--{boundary}\r\nContent-Disposition: form-data; name="file"; filename="clip.mp4"\r\n\r\n'.encode()
            + video
            + f"\r\n--{boundary}--\r\n".encode()
        )
        headers = {"Content-Type": f"multipart/form-data; boundary={boundary}"}
        try:
            return json.loads(answer_of("POST", "/upload", form, headers | self.authorization()))["id"]
        except OSError:
            return None

    def jobs(self) -> dict[str, dict]:
        jobs, cursor = {}, ""
        while True:
            page = json.loads(answer_of("GET", f"/jobs?limit=100{cursor}", None, self.authorization()))
            jobs |= {job["id"]: job for job in page["jobs"]}
            if not page.get("next_cursor"):
                return jobs
            cursor = f"&cursor={page['next_cursor']}"

    def download(self, job: dict) -> bytes:
        return answer_of("GET", f"/download?fid={job['audio']['fid']}", None, self.authorization())

    def authorization(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}


def answer_of(method: str, path: str, body: bytes | None, headers: dict[str, str]) -> bytes:
    request = urllib.request.Request(APP + path, data=body, headers=headers, method=method)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def restart_under_load(user: User, container: str) -> None:
    video = clip()
    accepted: list[str] = []
    refused = 0
    is_over = threading.Event()

    def load() -> None:
        nonlocal refused
        while not is_over.is_set():
            job = user.upload(video)
            if job:
                accepted.append(job)
            else:
                refused += 1
            time.sleep(0.3)

    clients = [threading.Thread(target=load) for _ in range(2)]
    for client in clients:
        client.start()
    try:
        wait_until("the load runs", lambda: len(accepted) >= 3)
        began = time.monotonic()
        run([*COMPOSE, "restart", "--no-deps", container])
        restarted = time.monotonic() - began
        count = len(accepted)
        wait_until(f"uploads are accepted after the restart of {container}", lambda: len(accepted) >= count + 3)
    finally:
        is_over.set()
        for client in clients:
            client.join()
    wait_until("every accepted job is converted", lambda: all_converted(user, accepted))
    wait_until("each has its mail", lambda: mails_to(user) == len(user.jobs()) + 1)
    jobs = user.jobs()
    # An upload whose answer was lost may have become a job too.
    assert set(accepted) <= set(jobs), f"lost after the restart of {container}: {set(accepted) - set(jobs)}"
    print(f"restart {container:13} took {restarted:4.1f} s: {len(accepted)} accepted, {refused} refused, none lost")


def all_converted(user: User, accepted: list[str]) -> bool:
    jobs = user.jobs()
    states = {job["status"] for job in jobs.values()}
    assert states <= {"queued", "converting", "converted"}, states
    return set(accepted) <= set(jobs) and states == {"converted"}


def token_mailed_to(email: str) -> str | None:
    with urllib.request.urlopen(f"{INBOX}/api/v1/search?query=to:{email}&limit=1", timeout=30) as answer:
        found = json.load(answer)["messages"]
    if not found:
        return None
    with urllib.request.urlopen(f"{INBOX}/api/v1/message/{found[0]['ID']}", timeout=30) as answer:
        token = re.search(r"#token=(\S+)", json.load(answer)["Text"])
    return token[1] if token else None


def mails_to(user: User) -> int:
    url = f"{INBOX}/api/v1/search?query=to:{user.email}&limit=1000"
    with urllib.request.urlopen(url, timeout=30) as answer:
        return json.load(answer)["messages_count"]


def assert_a_backup_restores(user: User) -> None:
    """Backs up, deletes both databases with their volumes, restores, and checks account, jobs and files."""
    means = {"gateway": {"GATEWAY": " ".join([*COMPOSE, "run", "--rm", "-T", "--no-deps", "gateway"])}}
    if subprocess.run([*COMPOSE, "exec", "-T", "mongodb", "which", "mongodump"], **QUIETLY).returncode == 0:
        means["mongodump"] = {"MONGODB_TOOLS": " ".join([*COMPOSE, "exec", "-T", "mongodb"])}
    else:
        print("backup by mongodump: NOT TRIED, this image of MongoDB has no mongodump")
    for name, command in means.items():
        assert_a_backup_restores_by(name, command, user)


def assert_a_backup_restores_by(name: str, command: dict[str, str], user: User) -> None:
    jobs = user.jobs()
    some = next(iter(jobs.values()))
    mp3 = user.download(some)
    tools = {
        "MYSQL_URL_FILE": "docker/secrets/mysql-url",
        "MONGODB_URL_FILE": "docker/secrets/mongodb-url",
        "MYSQL_TOOLS": " ".join([*COMPOSE, "exec", "-T", "mysql"]),
        **command,
    }
    with tempfile.TemporaryDirectory() as folder:
        run(["scripts/backup.sh", f"{folder}/backup"], **tools)
        run([*COMPOSE, "rm", "--stop", "--force", "mysql", "mongodb", *SERVICES])
        run(["docker", "volume", "rm", "mixdown-test_mysql", "mixdown-test_mongodb"])
        run([*COMPOSE, "up", "--detach", "--wait", "mysql", "mongodb"])
        run(["scripts/restore.sh", f"{folder}/backup"], **tools)
    run([*COMPOSE, "up", "--detach", "--wait"])
    user.log_in()
    assert user.jobs().keys() == jobs.keys(), "the restored jobs are others"
    assert user.download(some) == mp3, "the restored file is another"
    print(f"backup by {name}: restored an account, {len(jobs)} jobs and their files")


def assert_leaves_cleanly(service: str) -> None:
    """After SIGTERM, a service drains and exits with status 0."""
    container = output([*COMPOSE, "ps", "--quiet", service]).strip()
    run([*COMPOSE, "stop", service])
    status = output(["docker", "inspect", "--format", "{{.State.ExitCode}}", container]).strip()
    assert status == "0", f"{service} left with status {status}"


def clip() -> bytes:
    sources = ["-f", "lavfi", "-i", "testsrc2=size=320x180:rate=10", "-f", "lavfi", "-i", "sine=frequency=440"]
    encoding = ["-t", "3", "-c:v", "libx264", "-preset", "ultrafast", "-c:a", "aac"]
    fragments = ["-movflags", "frag_keyframe+empty_moov", "-f", "mp4", "-"]
    command = ["ffmpeg", "-nostdin", "-v", "error", *sources, *encoding, *fragments]
    return subprocess.run(command, check=True, capture_output=True).stdout


def wait_until(what: str, is_so) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    last = None
    while time.monotonic() < deadline:
        try:
            if is_so():
                return
            last = None
        except (urllib.error.URLError, OSError) as error:
            last = error
        time.sleep(0.3)
    raise TimeoutError(f"not within {PATIENCE_SECONDS} s: {what} ({last})")


if __name__ == "__main__":
    sys.exit(main())
