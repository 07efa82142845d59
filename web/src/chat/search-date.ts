/** Finds the messages of a date, including those that only the server has. */
import type { Address } from '../local/types'
import type { App } from '../sync/app'

/** How often the server is asked for more messages. */
const MAX_REQUESTS = 100

/** The value of a date field for a time, by the local time zone: `2026-11-30`. */
export function inputDay(at: number): string {
  const date = new Date(at)
  const two = (part: number): string => String(part).padStart(2, '0')
  return `${String(date.getFullYear())}-${two(date.getMonth() + 1)}-${two(date.getDate())}`
}

/** When that day begins, by the local time zone; undefined: the date is invalid. */
export function startOf(day: string): number | undefined {
  const [year, month, date] = day.split('-').map(Number)
  if (!year || !month || !date) return undefined
  const at = new Date(year, month - 1, date).getTime()
  return Number.isNaN(at) ? undefined : at
}

type Source = Pick<App, 'db' | 'older'>

/** The key of the first message at or after that time, else of the last one before it; undefined: the chat is empty. */
export async function firstSince(
  app: Source,
  chat: Address,
  from: number,
  stopped: () => boolean = () => false
): Promise<string | undefined> {
  const between = (low: number, high: number) =>
    app.db.messages.where('[chat+at+order]').between([chat, low, ''], [chat, high, '\uffff'], true, true)
  for (let turn = 0; turn < MAX_REQUESTS && !stopped(); turn++) {
    const oldest = await between(-Infinity, Infinity).first()
    if (oldest && oldest.at < from) break
    // without a connection, the local history has to do
    if (!(await app.older(chat).catch(() => false))) break
  }
  const first = await between(from, Infinity).first()
  return (first ?? (await between(-Infinity, from).last()))?.key
}
