// Uploads a file with tus-js-client, like a page: upload.mjs ENDPOINT FILE OPTIONS. OPTIONS is JSON with
// `token`, and optionally `url` to resume an upload, `stopAt` to stop at that many bytes, `chunkSize`,
// `parallel`, `metadata`. Prints JSON: the upload's url, the offset, the job's address once it exists, and
// the answers' statuses.
import { createReadStream, statSync } from 'node:fs'
import { createRequire } from 'node:module'

const [endpoint, file, given] = process.argv.slice(2)
const options = JSON.parse(given)
// In the tools' folder, where the installer put it.
const { Upload } = createRequire(`${options.modules}/`)('tus-js-client')

const result = { url: null, offset: 0, job: null, statuses: [] }
const finish = (code) => {
  console.log(JSON.stringify(result))
  process.exit(code)
}

const upload = new Upload(createReadStream(file), {
  endpoint,
  uploadUrl: options.url ?? null,
  uploadSize: statSync(file).size,
  chunkSize: options.chunkSize ?? 4 << 20,
  uploadDataDuringCreation: options.uploadDataDuringCreation ?? false,
  retryDelays: [0, 200, 500, 1000, 2000, 4000, 8000],
  headers: { Authorization: `Bearer ${options.token}` },
  metadata: options.metadata ?? {},
  onAfterResponse(request, response) {
    result.statuses.push(`${request.getMethod()} ${response.getStatus()}`)
    result.job ??= response.getHeader('Job-Location') ?? null
  },
  onChunkComplete(_, accepted) {
    result.offset = accepted
    if (options.stopAt !== undefined && accepted >= options.stopAt) {
      result.url = upload.url
      upload.abort().then(() => finish(0))
    }
  },
  onSuccess() {
    result.url = upload.url
    finish(0)
  },
  onError(error) {
    console.error(String(error))
    finish(1)
  },
})
upload.start()
