#!/usr/bin/env bash
# Sends a sample video through the whole running system as a person would, with curl: register, log in, upload, wait for
# the e-mail, follow its link, and check the MP3. `make demo` starts the system first.
set -euo pipefail

cd "$(dirname "${BASH_SOURCE[0]}")/.."
STACK_BIN="${STACK_BIN:-${CARGO_TARGET_DIR:-target}/release/stack}"
readonly SECONDS_OF_VIDEO=10
readonly DEADLINE_SECONDS=120

WORK="$(mktemp -d)"
trap 'rm -rf "$WORK"' EXIT

main() {
    APP="${APP_URL:-$("$STACK_BIN" url app)}"
    INBOX="${INBOX_URL:-$("$STACK_BIN" url inbox)}"
    local email password token job job_id link
    # A new account each time: the demo can be repeated.
    email="demo-$(date +%s)-$$@example.org"
    password="$(head -c 18 /dev/urandom | base64)"

    step "Making a $SECONDS_OF_VIDEO s sample video with FFmpeg"
    ffmpeg -nostdin -v error -y \
        -f lavfi -i 'testsrc2=size=640x360:rate=25' -f lavfi -i 'sine=frequency=440:sample_rate=44100' \
        -t "$SECONDS_OF_VIDEO" -c:v libx264 -preset ultrafast -pix_fmt yuv420p -c:a aac "$WORK/holiday.mp4"

    step "Registering $email"
    request -X POST "$APP/register" -H 'Content-Type: application/json' \
        -d "{\"email\": \"$email\", \"password\": \"$password\"}" >/dev/null

    step 'Logging in'
    token="$(request -X POST "$APP/login" -u "$email:$password")"

    step "Uploading $(du -h "$WORK/holiday.mp4" | cut -f1) to $APP/upload"
    job="$(request -F "file=@$WORK/holiday.mp4" -H "Authorization: Bearer $token" "$APP/upload")"
    job_id="$(field id <<<"$job")"
    echo "    job $job_id is $(field status <<<"$job")"

    step 'Waiting for the e-mail'
    link="$(wait_for_link "$email")"
    echo "    it brings $link"

    step 'Following its link, without a token'
    request -o "$WORK/holiday.mp3" "$link"
    check_mp3 "$WORK/holiday.mp3"

    printf '\nIt works. The mail is in the inbox: %s\nThe app: %s\n' "$INBOX" "$APP"
}

step() { printf '  %s\n' "$*"; }

fail() {
    printf 'demo: %s\n' "$*" >&2
    exit 1
}

# curl that shows the answer of a request that fails.
request() {
    curl --silent --show-error --fail-with-body --max-time "$DEADLINE_SECONDS" "$@" ||
        fail "the request failed; the services' logs: make logs"
}

# Prints one field of the JSON object on the standard input.
field() { python3 -c 'import json, sys; print(json.load(sys.stdin)[sys.argv[1]])' "$1"; }

# Prints the download link in the newest mail to an address, if there is one.
link_in_inbox() {
    request "$INBOX/email" | python3 -c '
import json, re, sys
address, app = sys.argv[1:]
for mail in json.load(sys.stdin):
    if any(recipient["address"] == address for recipient in mail["envelope"]["to"]):
        link = re.search(re.escape(app) + r"/d/\S+", mail.get("text") or "")
        if link:
            print(link.group())
            break
' "$1" "$APP"
}

wait_for_link() {
    local deadline=$((SECONDS + DEADLINE_SECONDS)) link
    while [ "$SECONDS" -lt "$deadline" ]; do
        link="$(link_in_inbox "$1")"
        if [ -n "$link" ]; then
            echo "$link"
            return
        fi
        sleep 0.2
    done
    fail "no mail with a link came within $DEADLINE_SECONDS s; see make logs"
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
