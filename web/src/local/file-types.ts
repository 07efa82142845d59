/** What the local storage knows of files, and of their uploads. */
import type { Bytes } from './bytes'
import type { Part } from './media'
import type { Moment } from './types'

/** A file on this device, by the id that `fileOf` gives it. Its content is in the table `blobs`. */
export interface StoredFile {
  id: string
  size: number
  /** When it was last shown: those that were not for the longest time make room for others. */
  used: Moment
  /** It is not uploaded, so it stays. */
  pending?: 1
}

/** A file, or a part of one, that waits to be uploaded or is being uploaded. */
export interface Upload {
  /** Of the stored file. */
  id: string
  /**
   * What is uploaded; `claim`: the server is to keep what others have uploaded; `sweep`: a message that had the file is
   * gone.
   */
  part: Part | 'claim' | 'sweep'
  state: 'waiting' | 'working' | 'stopped'
  /** Bytes of what is uploaded, and how many of them the server has. */
  size: number
  sent: number
  slot?: UploadSlot
  /** Of `sweep`: addresses of the user's own uploads that nobody should have any more. */
  urls?: string[]
  tries: number
}

/** A permission of the server to upload something. */
export interface UploadSlot {
  /** Where it is uploaded in parts, and the value of the header `Authorization`. */
  put: string
  authorization: string
  /** Where it is downloaded. */
  get: string
}

/** The small copy of a picture, which conversations show. */
export interface SmallPicture {
  /** That of the file. */
  id: string
  type: string
  /** Not a Blob, which browsers store apart: what is this small is read faster with its row. */
  data: Bytes
}
