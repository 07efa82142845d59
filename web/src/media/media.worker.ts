/** The worker for sound and video: see `worker-task.ts`. */
import { type Encoded, encode, type EncodeOptions } from './video/encode'
import { type Probed, probe, strip } from './video/input'
import { type Voice, voiceOf } from './voice/ogg'

export interface MediaTasks {
  /** A recording as an Ogg file. `rate`: bits per second, if it has to be encoded. */
  voice: { recorded: Blob; rate: number }
  /** What a video is. */
  probe: { file: Blob }
  /** So many pictures of a video, with a longer side of so many pixels. */
  strip: { file: Blob; count: number; side: number }
  encode: { file: Blob; options: EncodeOptions }
}

export interface Outcomes {
  voice: Voice
  probe: Probed
  strip: Blob[]
  encode: Encoded
}

export type MediaTask = { [K in keyof MediaTasks]: { do: K } & MediaTasks[K] }[keyof MediaTasks]

/** `unusable`: the file is nothing that can be read here. */
export type Answer =
  { progress: number } | { outcome: Outcomes[keyof Outcomes] } | { unusable: string } | { error: string }

function outcomeOf(task: MediaTask): Promise<Outcomes[keyof Outcomes]> {
  switch (task.do) {
    case 'voice':
      return voiceOf(task.recorded, task.rate)
    case 'probe':
      return probe(task.file)
    case 'strip':
      return strip(task.file, task.count, task.side)
    case 'encode':
      return encode(task.file, task.options, (progress) => {
        tell({ progress })
      })
  }
}

async function answerTo(task: MediaTask): Promise<Answer> {
  try {
    return { outcome: await outcomeOf(task) }
  } catch (error) {
    if (error instanceof RangeError) return { unusable: error.message }
    return { error: String(error) }
  }
}

function tell(answer: Answer): void {
  globalThis.postMessage(answer)
}

globalThis.onmessage = ({ data }: MessageEvent<MediaTask>) => {
  void answerTo(data).then(tell)
}
