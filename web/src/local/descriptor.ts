/**
 * Reads and writes the descriptor of media, the member `media` of what is sealed in a message (docs/media.md). What
 * others send is hostile until shown otherwise: each value is checked and bounded. An item without a needed member, or
 * with a wrong one that decides about the content, is no media.
 */
import { base64 } from '@scure/base'
import { cleanFileName } from './file-names'
import { cleanName } from './names'
import {
  LARGEST_WHOLE,
  LONGEST_LOOP,
  MEDIA_KINDS,
  type Media,
  type MediaKind,
  type MediaStream,
  type Place,
  TAG
} from './media'
import { pictureType } from './picture'
import { isRecord } from './records'

const LONGEST_URL = 2000
const LONGEST_ID = 200
const LONGEST_CAPTION = 64 * 1024
const LONGEST_PREVIEW = 60
const LARGEST_THUMBNAIL = 8 * 1024
const LONGEST_CARD = 8 * 1024
const LONGEST_WAVEFORM = 64
const LOUDEST = 31
/** Bytes: more than anybody stores. */
export const LARGEST_FILE = 2 ** 44
/** Pixels along one side. What is larger is a document at best. */
export const LONGEST_SIDE = 65_535
const LONGEST_DURATION = 7 * 86_400_000
const MAX_STREAMS = 12
const LARGEST_INDEX = 4 * 1024 * 1024

export interface Described {
  media: Media
  caption: string
}

type Given = Record<string, unknown>

/** The first item of the member `media`; undefined: it has not the right form. */
export function mediaIn(value: unknown): Described | undefined {
  const [given] = Array.isArray(value) ? (value as unknown[]) : []
  if (!isRecord(given)) return undefined
  const kind = MEDIA_KINDS.find((one) => one === given['kind'])
  if (!kind) return undefined
  const content = contentOf(kind, given)
  if (!content) return undefined
  const caption = given['caption']
  return {
    media: { kind, ...content, ...lookOf(given) },
    caption: typeof caption === 'string' && caption.length <= LONGEST_CAPTION ? caption : ''
  }
}

/** The member `media`. `text`: the caption. */
export function mediaWritten(media: Media, text: string): unknown[] {
  const { file, plain, opened, ...sent } = media
  void [file, plain, opened]
  return [{ ...sent, ...(text && { caption: text }) }]
}

/** What decides about the content. */
function contentOf(kind: MediaKind, given: Given): Partial<Media> | undefined {
  if (kind === 'contact') {
    const card = given['card']
    return typeof card === 'string' && card.length <= LONGEST_CARD && /^BEGIN:VCARD\r?\n/i.test(card)
      ? { card }
      : undefined
  }
  if (kind === 'location') {
    const place = placeOf(given['place'])
    return place && { place }
  }
  const key = bytesOf(given['key'], 32)
  const size = integerOf(given['size'], LARGEST_FILE)
  if (key === undefined || size === undefined) return undefined
  const streams = streamsOf(given['streams'])
  const type = typeOf(given['type'])
  const common = {
    key,
    size,
    ...(streams?.length && { streams }),
    ...(type !== undefined && { type }),
    ...(typeof given['name'] === 'string' && { name: cleanFileName(given['name']) })
  }
  const segments = segmentsOf(given['segments'])
  if (segments) return { ...common, segments }
  const url = mediaUrl(given['url'])
  const iv = bytesOf(given['iv'], 12)
  const digest = bytesOf(given['digest'], 32)
  if (url === undefined || iv === undefined || digest === undefined || size > LARGEST_WHOLE) return undefined
  return { ...common, url, iv, digest }
}

/** What only says how it looks: whatever is wrong is left out. */
function lookOf(given: Given): Partial<Media> {
  const [width, height] = [integerOf(given['width'], LONGEST_SIDE), integerOf(given['height'], LONGEST_SIDE)]
  const duration = integerOf(given['duration'], LONGEST_DURATION)
  const preview = shortBytes(given['preview'], LONGEST_PREVIEW)
  const thumbnail = thumbnailOf(given['thumbnail'])
  const waveform = shortBytes(given['waveform'], LONGEST_WAVEFORM)
  const { album } = given
  return {
    ...(width && height && { width, height }),
    ...(duration !== undefined && { duration }),
    // shorter ones have no colours
    ...(preview !== undefined && base64.decode(preview).length >= 5 && { preview }),
    ...(thumbnail !== undefined && { thumbnail }),
    ...(waveform !== undefined && base64.decode(waveform).every((one) => one <= LOUDEST) && { waveform }),
    ...(typeof album === 'string' && album !== '' && album.length <= LONGEST_ID && { album }),
    ...(given['once'] === true && { once: true as const }),
    ...(given['loop'] === true && given['kind'] === 'video' && loopLasts(duration) && { loop: true as const })
  }
}

/** A long video that plays by itself would load more than anybody has asked for. */
function loopLasts(duration: number | undefined): boolean {
  return duration !== undefined && duration <= LONGEST_LOOP
}

function streamsOf(value: unknown): MediaStream[] | undefined {
  if (!Array.isArray(value)) return undefined
  const found: MediaStream[] = []
  for (const one of value.slice(0, MAX_STREAMS) as unknown[]) {
    if (!isRecord(one)) return undefined
    const { name, index } = one
    const [url, type] = [mediaUrl(one['url']), typeOf(one['type'], true)]
    const place = Array.isArray(index) && index.length === 2 ? (index as unknown[]) : []
    const [offset, length] = [integerOf(place[0], LARGEST_FILE), integerOf(place[1], LARGEST_INDEX)]
    if (typeof name !== 'string' || !/^[a-z0-9-]{1,32}$/.test(name)) return undefined
    if (!url || !type || offset === undefined || length === undefined || length <= TAG) return undefined
    if (found.some((other) => other.name === name)) return undefined
    const [width, height] = [integerOf(one['width'], LONGEST_SIDE), integerOf(one['height'], LONGEST_SIDE)]
    const bitrate = integerOf(one['bitrate'], 2 ** 40)
    found.push({
      ...{ name, url, type, index: [offset, length] },
      ...(width && height && { width, height }),
      ...(bitrate && { bitrate })
    })
  }
  return found
}

function segmentsOf(value: unknown): { url: string; size: number } | undefined {
  if (!isRecord(value)) return undefined
  const [url, size] = [mediaUrl(value['url']), integerOf(value['size'], LARGEST_FILE)]
  return url !== undefined && size !== undefined && size >= TAG ? { url, size } : undefined
}

function placeOf(value: unknown): Place | undefined {
  if (!isRecord(value)) return undefined
  const { latitude, longitude, accuracy, name } = value
  if (typeof latitude !== 'number' || !(Math.abs(latitude) <= 90)) return undefined
  if (typeof longitude !== 'number' || !(Math.abs(longitude) <= 180)) return undefined
  const called = typeof name === 'string' ? cleanName(name) : ''
  return {
    latitude,
    longitude,
    ...(typeof accuracy === 'number' && accuracy >= 0 && accuracy < 1e7 && { accuracy }),
    ...(called && { name: called })
  }
}

/** A picture that browsers draw at once: small in bytes and pixels. */
function thumbnailOf(value: unknown): string | undefined {
  const text = shortBytes(value, LARGEST_THUMBNAIL)
  if (text === undefined) return undefined
  return ['image/jpeg', 'image/webp'].includes(pictureType(base64.decode(text))) ? text : undefined
}

/** An https address without credentials and fragment. */
export function mediaUrl(value: unknown): string | undefined {
  if (typeof value !== 'string' || value.length > LONGEST_URL || !URL.canParse(value)) return undefined
  const { protocol, username, password, hash } = new URL(value)
  return protocol === 'https:' && !username && !password && !hash ? value : undefined
}

/** Base64 of so many bytes. */
function bytesOf(value: unknown, length: number): string | undefined {
  const text = shortBytes(value, length)
  return text !== undefined && base64.decode(text).length === length ? text : undefined
}

/** Base64 of so many bytes at most, but of some. */
function shortBytes(value: unknown, most: number): string | undefined {
  if (typeof value !== 'string' || value === '' || value.length > Math.ceil(most / 3) * 4) return undefined
  try {
    return base64.decode(value).length <= most ? value : undefined
  } catch {
    return undefined
  }
}

/** A MIME type. */
export function typeOf(value: unknown, withCodecs = false): string | undefined {
  if (typeof value !== 'string' || value.length > 150) return undefined
  const plain = /^[a-z0-9][\w.+-]{0,60}\/[a-z0-9][\w.+-]{0,80}$/
  const full = /^[a-z0-9][\w.+-]{0,60}\/[a-z0-9][\w.+-]{0,80}(?:; ?codecs="[\w., -]{1,60}")?$/
  return (withCodecs ? full : plain).test(value) ? value : undefined
}

function integerOf(value: unknown, most: number): number | undefined {
  return Number.isSafeInteger(value) && (value as number) >= 0 && (value as number) <= most
    ? (value as number)
    : undefined
}
