/** A media server in memory, over HTTP: slots as the service gives them, tus 1.0 with checksums, downloads. */
import { createHash } from 'node:crypto'
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'

interface Blob {
  size: number
  data: Buffer
}

export class MediaServer {
  readonly blobs = new Map<string, Blob>()
  /** Called before each part: throws to cut the connection. */
  before: (part: { offset: number; length: number }) => void = () => undefined
  readonly requests: string[] = []
  /** What digests of parts were wrong. */
  wrong = 0
  private server: Server | undefined
  port = 0

  get origin(): string {
    return `http://127.0.0.1:${String(this.port)}`
  }

  async start(): Promise<void> {
    this.server = createServer((request, response) => {
      void this.answer(request, response).catch(() => response.destroy())
    })
    await new Promise<void>((done) => this.server?.listen(this.port, '127.0.0.1', done))
    this.port = (this.server.address() as AddressInfo).port
  }

  async stop(): Promise<void> {
    this.server?.closeAllConnections()
    await new Promise((done) => this.server?.close(done))
  }

  slot(blob: string, size: number): { put: string; get: string; url: string } {
    this.blobs.set(blob, { size, data: Buffer.alloc(0) })
    const canonical = 'https://media.example.org'
    return {
      put: `${canonical}/u/${blob}/x`,
      url: `${canonical}/u/${blob}`,
      get: `${canonical}/m/${blob}/x.jpg`
    }
  }

  private async answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const { method = '', url = '' } = request
    this.requests.push(`${method} ${url}`)
    if (url === '/.well-known/host-meta.json') {
      const properties = { 'urn:kith:media:0#canonical': 'https://media.example.org' }
      response.end(JSON.stringify({ links: [{ rel: 'urn:kith:media:0', href: this.origin, properties }] }))
      return
    }
    const [, kind, name = ''] = url.split('/')
    const blob = this.blobs.get(name)
    if (!blob || (kind === 'm' && blob.data.length < blob.size)) {
      response.writeHead(404).end()
      return
    }
    if (kind === 'm') {
      const [, start, end] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? []
      const from = Number(start ?? 0)
      const part = blob.data.subarray(from, end ? Number(end) + 1 : undefined)
      const head = { ETag: `"${name}"`, 'Content-Length': part.length }
      response.writeHead(start === undefined ? 200 : 206, head).end(part)
      return
    }
    response.setHeader('Tus-Resumable', '1.0.0')
    if (method === 'HEAD') {
      const head = {
        'Upload-Offset': blob.data.length,
        'Upload-Length': blob.size,
        'Cache-Control': 'no-store'
      }
      response.writeHead(200, head).end()
      return
    }
    const parts: Buffer[] = []
    for await (const part of request) parts.push(part as Buffer)
    const body = Buffer.concat(parts)
    const offset = Number(request.headers['upload-offset'])
    this.before({ offset, length: body.length })
    if (offset !== blob.data.length) {
      response.writeHead(409).end()
      return
    }
    const digest = createHash('sha256').update(body).digest('base64')
    if (request.headers['upload-checksum'] !== `sha256 ${digest}`) {
      this.wrong += 1
      response.writeHead(460).end()
      return
    }
    blob.data = Buffer.concat([blob.data, body])
    response.writeHead(204, { 'Upload-Offset': blob.data.length }).end()
  }
}
