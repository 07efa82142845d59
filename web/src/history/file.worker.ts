/** The worker that encrypts and decrypts backups, so that the page stays responsive. */
import { BadFile } from './bad-file'
import { openFile, sealFile, type OpenedFile } from './file'

export type Task =
  { do: 'seal'; data: Blob; key: string; words: boolean } | { do: 'open'; data: Blob; key: string }
export type Outcome =
  { sealed: Blob } | { opened: OpenedFile } | { problem: BadFile['problem'] } | { error: string }

async function outcome(task: Task): Promise<Outcome> {
  try {
    if (task.do === 'seal') return { sealed: await sealFile(task.data, task.key, task.words) }
    return { opened: await openFile(task.data, task.key) }
  } catch (error) {
    return error instanceof BadFile ? { problem: error.problem } : { error: String(error) }
  }
}

globalThis.onmessage = ({ data }: MessageEvent<Task>) => {
  void outcome(data).then((answer) => {
    globalThis.postMessage(answer)
  })
}
