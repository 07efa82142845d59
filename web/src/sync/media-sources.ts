/** Files of messages that are read by ranges: renditions of videos while they play, and large files while they are saved. */
import type { Database } from '../local/database'
import { fromBase64 } from '../local/bytes'
import { fileOf, type Media } from '../local/media'
import { DownloadFailed } from '../media/download'
import type { MediaOrigin } from '../media/origin'
import { patientSource, remoteSource } from '../media/remote'
import { openedFile } from '../media/segmented-file'
import { SEGMENT } from '../media/segments'
import { blobSource, streamOf, type Source } from '../media/source'
import { NotHere } from './app'

export class MediaSources {
  constructor(
    private readonly db: Database,
    private readonly origin: MediaOrigin,
    private readonly proxied: (url: string) => Promise<string>
  ) {}

  /** Where this page gets a file: from the own server, also what lies on others. */
  async addressOf(url: string): Promise<string> {
    const { url: here, foreign } = await this.origin.local(url)
    return foreign ? this.proxied(url) : here
  }

  /** The ciphertext of a rendition. */
  stream(key: string, name: string): Pick<Source, 'read'> {
    let found: Promise<Source> | undefined
    return {
      read: async (from, to, signal) => (await (found ??= this.renditionOf(key, name))).read(from, to, signal)
    }
  }

  /** The content of a large file. What is read is authenticated; reading rejects with DownloadFailed or Forged. */
  async large(key: string): Promise<Source> {
    const media = await this.mediaOf(key)
    const id = fileOf(media)
    const here = id === undefined ? undefined : await this.db.blobs.get(id)
    if (here) return blobSource(here.data)
    return this.segmented(media)
  }

  /** The same as a whole, which the browser keeps on the disk. */
  async whole(
    media: Media,
    type: string,
    progress?: (received: number, size: number) => void,
    signal?: AbortSignal
  ): Promise<Blob> {
    const source = await this.segmented(media)
    const watched: Source = {
      size: source.size,
      async read(from, to) {
        const data = await source.read(from, to, signal)
        progress?.(to, source.size)
        return data
      }
    }
    const data = await new Response(streamOf(watched, SEGMENT)).blob()
    return data.slice(0, data.size, type)
  }

  private async segmented(media: Media): Promise<Source> {
    const { segments, size } = media
    if (media.key === undefined || segments?.url === undefined) throw new DownloadFailed('gone')
    const sealed = patientSource(this.remote(segments.url, segments.size))
    return openedFile(sealed, fromBase64(media.key), size)
  }

  private async renditionOf(key: string, name: string): Promise<Source> {
    const { streams = [] } = await this.mediaOf(key)
    const stream = streams.find((one) => one.name === name)
    if (stream?.url === undefined) throw new DownloadFailed('gone')
    const [offset, length] = stream.index
    return this.remote(stream.url, offset + length)
  }

  private remote(url: string, size: number): Source {
    let local: Promise<string> | undefined
    const address = async (): Promise<string> => {
      local ??= this.addressOf(url)
      try {
        return await local
      } catch {
        local = undefined
        throw new DownloadFailed('lost')
      }
    }
    return remoteSource(address, size)
  }

  private async mediaOf(key: string): Promise<Media> {
    const media = (await this.db.messages.get(key))?.media
    if (!media) throw new NotHere()
    return media
  }
}
