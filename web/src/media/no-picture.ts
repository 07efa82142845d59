/** The picture can't be opened here; it may be sent as a document. */
export class NoPicture extends Error {}
