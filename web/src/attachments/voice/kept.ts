/** Recordings of chats that were left before they were sent. */
import type { Address } from '../../local/types'
import type { Recording } from './recorder.svelte'
import type { VoiceEntry } from './voice-entry.svelte'

const kept = new Map<Address, Promise<VoiceEntry>>()

/** Keeps an entry while its chat is not on the screen. */
export function keepVoice(chat: Address, entry: VoiceEntry): void {
  if (entry.active)
    kept.set(
      chat,
      entry.leave().then(() => entry)
    )
}

/** The recording that was kept for a chat, if any, which is not kept any more. */
export async function keptVoice(chat: Address): Promise<Recording | undefined> {
  const entry = kept.get(chat)
  kept.delete(chat)
  return (await entry)?.recording
}
