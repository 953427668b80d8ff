import { BinaryWriter } from '@bufbuild/protobuf/wire';

/** How messages of one type are serialised. */
interface Codec<T> {
  encode(message: T, writer: BinaryWriter): BinaryWriter;
}

/** Serialises messages one after the other through one buffer, which has grown to what they need. */
export class MessageWriter<T> {
  readonly #codec: Codec<T>;
  #writer = new BinaryWriter();

  constructor(codec: Codec<T>) {
    this.#codec = codec;
  }

  /** The serialised message, in bytes of its own. Throws for a message that has no serialisation. */
  bytesOf(message: T): Uint8Array {
    try {
      return this.#codec.encode(message, this.#writer).finish();
    } catch (error) {
      // What was written of it must not stand before the next message.
      this.#writer = new BinaryWriter();
      throw error;
    }
  }
}
