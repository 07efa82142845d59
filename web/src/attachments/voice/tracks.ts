/** Sounds of messages as something to play, with what follows by itself. */
import Dexie from 'dexie'
import type { Message } from '../../local/types'
import type { App } from '../../sync/app'
import { loadOrAsk } from '../ask'
import type { Track } from './sound.svelte'

/** Undefined: the message is no sound. */
export function trackOf(app: App, message: Message): Track | undefined {
  const { key, media, mine } = message
  if (media?.kind !== 'voice' && media?.kind !== 'audio') return undefined
  const voice = media.kind === 'voice'
  return {
    id: key,
    load: () => loadOrAsk(app, message),
    duration: media.duration ?? 0,
    voice,
    started: () => {
      if (voice && !mine && !media.opened) void app.heard(key)
    },
    ...(voice && { next: () => following(app, message) })
  }
}

/** The voice message right after one, by the same side of the conversation or another, unless something else was said. */
async function following(app: App, { chat, at, order }: Message): Promise<Track | undefined> {
  const next = await app.db.messages
    .where('[chat+at+order]')
    .between([chat, at, order], [chat, Dexie.maxKey, Dexie.maxKey], false)
    .filter(({ kind }) => kind !== 'notice')
    .first()
  return next?.kind === 'text' && next.media?.kind === 'voice' ? trackOf(app, next) : undefined
}
