/** The words for a call in a conversation, in the list of chats and in the list of calls. */
import { t } from '../strings/strings.svelte'
import type { CallEntry, Message } from '../local/types'
import { currentTime } from './time'

/** After so many milliseconds nobody answers a call any more. */
const RING_MS = 60_000

/** A call that nobody has answered, by now. */
export function isMissed({ mine, at }: Pick<Message, 'mine' | 'at'>, call: CallEntry, now: number): boolean {
  return !mine && (call.outcome === 'missed' || (call.outcome === 'open' && now - at > RING_MS))
}

export function callText({ mine, at }: Pick<Message, 'mine' | 'at'>, call: CallEntry): string {
  const what = t(call.video ? 'call.entry.Video' : 'call.entry.Voice')
  const { outcome, seconds } = call
  if (outcome === 'answered')
    return seconds === undefined ? what : t('call.entry.took', { what, time: duration(seconds) })
  if (isMissed({ mine, at }, call, currentTime())) {
    const inside = t(call.video ? 'call.entry.video' : 'call.entry.voice')
    return t('call.entry.missed', { what: inside })
  }
  if (outcome === 'missed') return t('call.entry.no-answer', { what })
  if (outcome === 'open') return what
  return t(`call.entry.${outcome}`, { what })
}

/** Minutes and seconds, with hours if there are any. */
export function duration(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds))
  const parts = [Math.floor(whole / 60) % 60, whole % 60].map((part) => String(part).padStart(2, '0'))
  const hours = Math.floor(whole / 3600)
  return hours ? `${String(hours)}:${parts.join(':')}` : parts.join(':').replace(/^0/, '')
}
