/** Formats times as people say them, in the current language. */
import { deviceTime } from '../local/device-time'
import type { Moment } from '../local/types'
import { language, t } from '../strings/strings.svelte'

const DAY = 86_400_000

let clockNow: () => Moment = deviceTime

/** Sets the clock that "today" depends on: the one that messages are dated with. */
export function useClock(now: () => Moment): void {
  clockNow = now
}

/** The time by that clock. */
export function currentTime(): Moment {
  return clockNow()
}

const made = new Map<string, Intl.DateTimeFormat>()

/** Caches formatters, since creating one takes longer than using it a thousand times. */
function format(options: Intl.DateTimeFormatOptions): Intl.DateTimeFormat {
  const key = language.tag + JSON.stringify(options)
  const found = made.get(key) ?? new Intl.DateTimeFormat(language.tag, options)
  made.set(key, found)
  return found
}

/** The day of a time, by the local time zone; equal for times of the same day. */
export function dayOf(at: number): number {
  return midnight(at)
}

const midnight = (at: number): number => new Date(at).setHours(0, 0, 0, 0)

/** The number of midnights between then and now. */
function daysAgo(at: number, now: number): number {
  return Math.round((midnight(now) - midnight(at)) / DAY)
}

export function clock(at: number): string {
  // with two digits, columns align in languages with a 24-hour clock; with AM and PM, 09:05 is unusual
  const numeric = format({ hour: 'numeric' }).resolvedOptions().hour12
  return format({ hour: numeric ? 'numeric' : '2-digit', minute: '2-digit' }).format(at)
}

export function whole(at: number): string {
  return format({ dateStyle: 'full', timeStyle: 'short' }).format(at)
}

/** With seconds, for the details of a message. */
export function precise(at: number): string {
  return format({ dateStyle: 'medium', timeStyle: 'medium' }).format(at)
}

export function dayAndYear(at: number): string {
  return format({ day: 'numeric', month: 'long', year: 'numeric' }).format(at)
}

/** For the list of chats: as short as possible. */
export function short(at: number, now = clockNow()): string {
  const days = daysAgo(at, now)
  if (days <= 0) return clock(at)
  if (days === 1) return t('time.yesterday')
  if (days < 7) return format({ weekday: 'long' }).format(at)
  return format({ day: '2-digit', month: '2-digit', year: '2-digit' }).format(at)
}

/** For the label between the messages of two days. */
export function day(at: number, now = clockNow()): string {
  const days = daysAgo(at, now)
  if (days <= 0) return t('time.today')
  if (days === 1) return t('time.yesterday')
  if (days < 7) return format({ weekday: 'long' }).format(at)
  return format({ day: 'numeric', month: 'long', year: 'numeric' }).format(at)
}

export function lastSeen(at: number, now = clockNow()): string {
  if (now - at < 60_000) return t('presence.just')
  const days = daysAgo(at, now)
  if (days <= 0) return t('presence.today', { time: clock(at) })
  if (days === 1) return t('presence.yesterday', { time: clock(at) })
  return t('presence.day', { day: day(at, now) })
}

/** A length of time, in the largest unit that fits. */
export function span(seconds: number): string {
  const units = [
    ['week', 604_800],
    ['day', 86_400],
    ['hour', 3600],
    ['minute', 60],
    ['second', 1]
  ] as const
  const [unit, size] = units.find(([, length]) => seconds >= length && seconds % length === 0) ?? [
    'second',
    1
  ]
  return new Intl.NumberFormat(language.tag, { style: 'unit', unit, unitDisplay: 'long' }).format(
    Math.round(seconds / size)
  )
}

export function bytes(count: number): string {
  const units = ['byte', 'kilobyte', 'megabyte', 'gigabyte'] as const
  const step = Math.min(units.length - 1, Math.floor(Math.log10(Math.max(1, count)) / 3))
  return new Intl.NumberFormat(language.tag, {
    style: 'unit',
    unit: units[step] ?? 'byte',
    unitDisplay: step === 0 ? 'long' : 'short', // the short one has no plural
    maximumFractionDigits: step < 2 ? 0 : 1
  }).format(count / 1000 ** step)
}
