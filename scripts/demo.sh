#!/usr/bin/env bash
# Sends a sample video through the whole running system like a user, with curl: registers, confirms the
# address by e-mail, logs in, uploads, waits for the e-mail, follows its link, and checks the MP3. `make demo`
# starts the system first. `make smoke` uses another system:
#
# APP_URL      its address, as in its mails
#   INBOX_URL    where its mails can be read: a MailDev or a Mailpit. Without one the MP3 is downloaded with the token
#   APP_EMAIL, APP_PASSWORD
#                an account with a confirmed address, where the inbox can't be read; else one is registered
#   APP_IP       where the names in both are to be found, if the DNS does not know
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
STACK_BIN="${STACK_BIN:-${CARGO_TARGET_DIR:-target}/release/stack}"
readonly SECONDS_OF_VIDEO=10
readonly DEADLINE_SECONDS=120

WORK="$(mktemp -d)"
trap 'rm -rf "$WORK"' EXIT

main() {
    if [ -n "${APP_URL:-}" ]; then
        APP="${APP_URL%/}"
        INBOX="${INBOX_URL:-}"
    else
        APP="$("$STACK_BIN" url app)"
        INBOX="$("$STACK_BIN" url inbox)"
    fi
    local email password token job job_id link
    # A new account each time, so that the demo can be repeated.
    email="${APP_EMAIL:-demo-$(date +%s)-$$@example.org}"
    password="${APP_PASSWORD:-$(head -c 18 /dev/urandom | base64)}"

    step "Making a $SECONDS_OF_VIDEO s sample video with FFmpeg"
    ffmpeg -nostdin -v error -y \
        -f lavfi -i 'testsrc2=size=640x360:rate=25' -f lavfi -i 'sine=frequency=440:sample_rate=44100' \
        -t "$SECONDS_OF_VIDEO" -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac "$WORK/holiday.mp4"

    if [ -z "${APP_EMAIL:-}" ]; then
        step "Registering $email"
        request -X POST "$APP/register" -H 'Content-Type: application/json' \
            -d "{\"email\": \"$email\", \"password\": \"$password\"}" >/dev/null
        if [ -n "$INBOX" ]; then
            step 'Confirming the address by e-mail'
            token="$(wait_for token_in_inbox "$email")"
            request -X POST "$APP/verify" -H 'Content-Type: application/json' -d "{\"token\": \"$token\"}"
        fi
    fi

    step 'Logging in'
    token="$(request -X POST "$APP/login" -u "$email:$password")"

    step "Uploading $(du -h "$WORK/holiday.mp4" | cut -f1) to $APP/upload"
    job="$(request -F "file=@$WORK/holiday.mp4" -H "Authorization: Bearer $token" "$APP/upload")"
    job_id="$(field id <<<"$job")"
    echo "    job $job_id is $(field status <<<"$job")"

    if [ -n "$INBOX" ]; then
        step 'Waiting for the e-mail'
        link="$(wait_for link_in_inbox "$email")"
        echo "    it brings $link"
        step 'Following its link, without a token'
        request -o "$WORK/holiday.mp3" "$link"
    else
        step 'Waiting for the MP3'
        link="$(wait_for link_of_job "$job_id" "$token")"
        step "Downloading $link"
        request -o "$WORK/holiday.mp3" -H "Authorization: Bearer $token" "$link"
    fi
    check_mp3 "$WORK/holiday.mp3"

    printf '\nIt works.%s\nThe app: %s\n' "${INBOX:+ The mail is in the inbox: $INBOX}" "$APP"
}

step() { printf '  %s\n' "$*"; }

fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# curl, with the deployment's names that the DNS does not know.
call() { curl ${APP_IP:+--connect-to "::$APP_IP:"} --silent --max-time "$DEADLINE_SECONDS" "$@"; }

# Sends a request. If it fails, prints its answer.
request() { call --show-error --fail-with-body "$@" || fail "the request failed; the services' logs: make logs"; }

# Prints one field of the JSON object on the standard input.
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# Prints the download link in the newest mail to an address, if there is one.
link_in_inbox() {
    text_of_mail_to "$1" | python3 -c '
import re, sys
link = re.search(re.escape(sys.argv[1]) + r"/d/\S+", sys.stdin.read())
if link:
    print(link.group())
' "$APP"
}

# Prints the token of the link in the newest mail to an address, if there is one.
token_in_inbox() {
    text_of_mail_to "$1" | python3 -c '
import re, sys
token = re.search(r"#token=(\S+)", sys.stdin.read())
if token:
    print(token.group(1))
'
}

# Prints the text of the newest mail to an address, from Mailpit or MailDev.
text_of_mail_to() {
    local id
    if call --fail --output /dev/null "$INBOX/api/v1/messages"; then
        id="$(request "$INBOX/api/v1/messages" | python3 -c '
import json, sys
for mail in json.load(sys.stdin)["messages"]:
    if any(recipient["Address"] == sys.argv[1] for recipient in mail["To"]):
        print(mail["ID"])
        break
' "$1")"
        if [ -n "$id" ]; then
            request "$INBOX/api/v1/message/$id" | field Text
        fi
    else
        request "$INBOX/email" | python3 -c '
import json, sys
# The oldest comes first.
for mail in reversed(json.load(sys.stdin)):
    if any(recipient["address"] == sys.argv[1] for recipient in mail["envelope"]["to"]):
        print(mail.get("text") or "")
        break
' "$1"
    fi
}

# Prints the address of a job's MP3 for its owner, as soon as it exists.
link_of_job() {
    request -H "Authorization: Bearer $2" "$APP/jobs/$1" | python3 -c '
import json, sys
job = json.load(sys.stdin)
if job["status"] == "failed":
    sys.exit("demo: the conversion failed: " + json.dumps(job["error"]))
if job["status"] == "converted":
    print(sys.argv[1] + "/download?fid=" + job["audio"]["fid"])
' "$APP"
}

# wait_for COMMAND…: runs the command until it prints something, and prints that.
wait_for() {
    local deadline=$((SECONDS + DEADLINE_SECONDS)) link
    while [ "$SECONDS" -lt "$deadline" ]; do
        link="$("$@")"
        if [ -n "$link" ]; then
            echo "$link"
            return
        fi
        sleep 0.2
    done
    fail "no link came within $DEADLINE_SECONDS s; see make logs"
}

check_mp3() {
    local codec duration
    codec="$(ffprobe -v error -select_streams a:0 -show_entries stream=codec_name -of csv=p=0 "$1")"
    duration="$(ffprobe -v error -show_entries format=duration -of csv=p=0 "$1")"
    [ "$codec" = mp3 ] || fail "the file is not an MP3 but $codec"
    # Within 2 % of the video's length, as the converter promises.
    python3 -c 'import sys; got, asked = map(float, sys.argv[1:]); sys.exit(abs(got - asked) > 0.02 * asked)' \
        "$duration" "$SECONDS_OF_VIDEO" || fail "the MP3 is $duration s long instead of $SECONDS_OF_VIDEO s"
    echo "    an MP3 of $duration s, $(du -h "$1" | cut -f1)"
}

main
