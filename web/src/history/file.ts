/**
 * The format of a backup file: records as lines of JSON, compressed with gzip, encrypted with age
 * (age-encryption.org/v1) under a passphrase, which scrypt makes slow to guess. age authenticates each chunk with its
 * place and whether it is the last, so changed, reordered or truncated files are detected. Any other implementation of
 * age can open it.
 */
import { Decrypter, Encrypter } from 'age-encryption'
import { BadFile } from './bad-file'

/** What could be decrypted; not `whole`: the file is truncated or was changed after that. */
export interface OpenedFile {
  data: Blob
  whole: boolean
}

/** log2 of scrypt's N: 128 MB of memory for a passphrase; the twelve words can't be guessed anyway. */
const FOR_PASSPHRASE = 17
const FOR_WORDS = 14
/** The maximum that a file may require, since it may come from somebody else. */
const MAX_WORK = 18
const MAGIC = 'age-encryption.org/v1\n'
const HEADER = /^age-encryption\.org\/v1\n-> scrypt \S{22} (\d{1,2})\n/

export async function sealFile(data: Blob, key: string, words: boolean): Promise<Blob> {
  const encrypter = new Encrypter()
  encrypter.setPassphrase(key)
  encrypter.setScryptWorkFactor(words ? FOR_WORDS : FOR_PASSPHRASE)
  const stream = await encrypter.encrypt(data.stream())
  return new Response(stream).blob()
}

/** Opens a file. Rejects with BadFile. */
export async function openFile(file: Blob, key: string): Promise<OpenedFile> {
  const start = new TextDecoder('latin1').decode(await file.slice(0, 200).arrayBuffer())
  if (!start.startsWith(MAGIC)) throw new BadFile('not-a-backup')
  const work = HEADER.exec(start)?.[1]
  if (work === undefined || Number(work) > MAX_WORK) throw new BadFile('damaged')
  const decrypter = new Decrypter()
  decrypter.addPassphrase(key)
  let stream: ReadableStream<Uint8Array>
  try {
    stream = await decrypter.decrypt(file.stream())
  } catch (error) {
    throw new BadFile(/no identity matched/.test(String(error)) ? 'wrong-key' : 'damaged')
  }
  const parts: BlobPart[] = []
  const reader = stream.getReader()
  try {
    for (;;) {
      const { done, value } = await reader.read()
      if (done) return { data: new Blob(parts), whole: true }
      parts.push(value.slice())
    }
  } catch {
    if (!parts.length) throw new BadFile('damaged')
    return { data: new Blob(parts), whole: false }
  }
}
