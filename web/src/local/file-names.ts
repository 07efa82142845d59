/** Names of files that others send: shown in a line and used to save, so they contain nothing that misleads. */
const LONGEST = 150

/**
 * The last part of a path, in one line, without characters that control direction, are invisible, or that file systems
 * treat specially. If it is too long, its end with the extension stays.
 */
export function cleanFileName(name: string): string {
  const last = name.slice(-2000).split(/[/\\]/).at(-1) ?? ''
  const clean = last
    .normalize('NFC')
    .replace(/[\p{C}\p{Default_Ignorable_Code_Point}]/gu, '')
    .replace(/[<>:"|?*]/g, '_')
    .replace(/[\p{Z}\s]+/gu, ' ')
    .replace(/^[\s.]+|[\s.]+$/g, '')
  const all = [...clean]
  if (all.length <= LONGEST) return clean
  const extension = [...(/(?:\.[^.]{1,10})?$/.exec(clean)?.[0] ?? '')]
  return all.slice(0, LONGEST - 1 - extension.length).join('') + '…' + extension.join('')
}
