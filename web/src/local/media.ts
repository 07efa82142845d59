/**
 * What a message carries beside its text: a file, a contact or a place (docs/media.md, Descriptors). The caption is the
 * text of the message.
 */

export const MEDIA_KINDS = [
  'picture',
  'video',
  'voice',
  'audio',
  'file',
  'sticker',
  'contact',
  'location'
] as const
export type MediaKind = (typeof MEDIA_KINDS)[number]

/** A rendition of a video, or its sound, which is named `audio`. */
export interface MediaStream {
  name: string
  /** Missing while it is not uploaded. */
  url?: string
  type: string
  width?: number
  height?: number
  /** Bits per second. */
  bitrate?: number
  /** Where its index is: offset and length in bytes of the ciphertext. */
  index: [number, number]
}

export interface Place {
  latitude: number
  longitude: number
  /** Metres. */
  accuracy?: number
  name?: string
}

export interface Media {
  kind: MediaKind
  /** The https address of the whole file; missing while it is not uploaded, and if there are only segments. */
  url?: string
  /** Base64: the key (32 bytes), also of all segments, and the iv of the whole file (12 bytes). */
  key?: string
  iv?: string
  type?: string
  name?: string
  /** Bytes of the whole file, before encryption. */
  size?: number
  /** SHA-256 of the whole file, before encryption, in base64. */
  digest?: string
  width?: number
  height?: number
  /** Milliseconds. */
  duration?: number
  /** ThumbHash in base64. */
  preview?: string
  /** JPEG or WebP, at most 8 KiB, in base64. */
  thumbnail?: string
  /** The id that the messages of an album share. */
  album?: string
  /** Of voice: up to 64 numbers from 0 to 31, as base64 of bytes. */
  waveform?: string
  /** View once. */
  once?: true
  /** Of a short video: it plays again and again, without sound. */
  loop?: true
  /** A large file in segments. `url` is missing while it is not uploaded. */
  segments?: { url?: string; size: number }
  streams?: MediaStream[]
  /** A vCard 4. */
  card?: string
  place?: Place

  /** Only on this device: the id of the file in the table `files`, if it is not derived from the other members. */
  file?: string
  /** Only on this device: the file is not encrypted. */
  plain?: true
  /** Only on this device: it was opened (view once, voice). */
  opened?: true
}

/** The largest file that is sent, and opened, as a whole (docs/media.md, Whole files). */
export const LARGEST_WHOLE = 64 * 1024 * 1024
/** Milliseconds: longer videos do not play by themselves. */
export const LONGEST_LOOP = 6000
/** Bytes that AES-GCM adds. */
export const TAG = 16

/**
 * The id of a file in the local storage. It contains all that decides about the content, so that nobody who knows the key
 * of somebody else's file can have another content shown in its place. Undefined: there is no file, as in a contact.
 */
export function fileOf({ file, key, iv, digest, url, segments, plain }: Media): string | undefined {
  if (file !== undefined) return file
  if (plain) return url === undefined ? undefined : `plain ${url}`
  if (key === undefined) return undefined
  const content = digest ?? url
  if (iv !== undefined && content !== undefined) return `${key} ${iv} ${content}`
  return segments?.url === undefined ? undefined : `${key} ${segments.url}`
}

/** Where the file is, whole or in segments; undefined: it is not uploaded, or there is none. */
export function fileUrl({ url, segments }: Media): string | undefined {
  return segments ? segments.url : url
}

/** The media after the same file was uploaded to another address; on this device it stays where it is. */
export function movedTo(media: Media, url: string): Media {
  const file = fileOf(media)
  const moved = media.segments ? { segments: { ...media.segments, url } } : { url }
  return { ...media, ...moved, ...(file !== undefined && { file }) }
}

/**
 * A part of which media consist on the server. `whole`: the file in one piece; `plain`: the same without encryption;
 * `segments`: in segments; `stream NAME`: a rendition of a video, or its sound.
 */
export type Part = 'whole' | 'plain' | 'segments' | `stream ${string}`

/** The names of the parts that have no address yet. */
export function missingParts({ kind, url, plain, segments, streams = [] }: Media): Part[] {
  if (kind === 'contact' || kind === 'location') return []
  const file: Part = segments ? 'segments' : plain ? 'plain' : 'whole'
  const lacks = segments ? segments.url === undefined : url === undefined
  const lacking = streams.filter((stream) => stream.url === undefined)
  return [...(lacks ? [file] : []), ...lacking.map(({ name }): Part => `stream ${name}`)]
}

/** Whether something of it still has to be uploaded. */
export function lacksUpload(media: Media): boolean {
  return missingParts(media).length > 0
}

/** The kind of a file, by its MIME type. SVG is a document, since it may contain scripts. */
export function kindOfType(type: string): 'picture' | 'video' | 'audio' | 'file' {
  if (type === 'image/svg+xml') return 'file'
  const [top] = type.split('/', 1)
  return top === 'image' ? 'picture' : top === 'video' || top === 'audio' ? top : 'file'
}

const TYPES: Record<string, string> = {
  ...{ jpg: 'image/jpeg', jpeg: 'image/jpeg', png: 'image/png', webp: 'image/webp', gif: 'image/gif' },
  ...{ avif: 'image/avif', heic: 'image/heic', heif: 'image/heif', svg: 'image/svg+xml' },
  ...{
    mp4: 'video/mp4',
    m4v: 'video/mp4',
    webm: 'video/webm',
    mov: 'video/quicktime',
    mkv: 'video/x-matroska'
  },
  ...{ mp3: 'audio/mpeg', m4a: 'audio/mp4', ogg: 'audio/ogg', oga: 'audio/ogg', opus: 'audio/ogg' },
  ...{ wav: 'audio/wav', flac: 'audio/flac', aac: 'audio/aac', pdf: 'application/pdf' },
  ...{ zip: 'application/zip', txt: 'text/plain', vcf: 'text/vcard' }
}

/** The MIME type that the extension of a name stands for; empty: unknown. */
export function typeOfName(name: string): string {
  const extension = /\.([a-z0-9]{1,8})$/i.exec(name)?.[1]?.toLowerCase() ?? ''
  return Object.hasOwn(TYPES, extension) ? (TYPES[extension] ?? '') : ''
}

/** An extension for the address of an encrypted file, by which other apps know its kind. */
export function extensionOf(type: string, name = ''): string {
  const own = /\.([a-z0-9]{1,8})$/i.exec(name)?.[1]?.toLowerCase()
  if (own !== undefined && (type === '' || typeOfName(name) === type || !Object.values(TYPES).includes(type)))
    return own
  return Object.entries(TYPES).find(([, one]) => one === type)?.[0] ?? 'bin'
}
