/** Rewrites records of a history from a former address of the account to its current one. */
import type { Address } from '../local/types'
import type { HistoryRecord } from './records'

/** The record with the address `me` instead of `former`, in keys and addresses, but not in texts. */
export function asNow(record: HistoryRecord, former: Address, me: Address): HistoryRecord {
  if (former === me) return record
  const now = (address: Address): Address => (address === former ? me : address)
  switch (record.type) {
    case 'account':
      return { ...record, account: now(record.account) }
    case 'contact':
    case 'chat':
      return { ...record, address: now(record.address) }
    case 'message': {
      const { reply } = record
      return {
        ...record,
        chat: now(record.chat),
        ...(reply && { reply: { ...reply, from: now(reply.from) } })
      }
    }
    case 'change':
      return { ...record, chat: now(record.chat), from: now(record.from) }
    case 'star':
      return { ...record, chat: now(record.chat) }
    case 'gone': {
      const start = `${former} `
      const keys = record.keys.map((key) => (key.startsWith(start) ? me + key.slice(former.length) : key))
      return { ...record, keys }
    }
    case 'picture':
    case 'end':
      return record
  }
}
