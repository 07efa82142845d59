/** Functions on addresses (JIDs, RFC 7622) as text: `local@domain/resource`. */

/** An address without the resource. */
export function bare(jid: string): string {
  return jid.split('/', 1)[0] ?? ''
}

export function localOf(jid: string): string {
  const at = jid.indexOf('@')
  return at < 0 ? '' : jid.slice(0, at)
}

export function domainOf(jid: string): string {
  return bare(jid).slice(jid.indexOf('@') + 1)
}

/** Whether `from` is the account of `jid`, or its server on its behalf (RFC 6120 §8.1.2.1). */
export function isOwnAccount(from: string, jid: string): boolean {
  return from === '' || from === bare(jid)
}
