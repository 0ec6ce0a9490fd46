/**
 * Parcels: slots whose memory is an ArrayBuffer that goes to a worker and comes back. `Module.workers` (js/workers) carries
 * them. To C++ their memory lies beyond the heap; it never looks there, and the library finds the buffer by the address.
 */
addToLibrary({
#if PTHREADS
  $ArrowQuantParcels: {
    memoryAt: (address, bytes) => HEAPU8.subarray(address, address + bytes),
  },
#else
  $ArrowQuantParcels__deps: ['$ArrowQuant', '$arrowQuantTurn', 'aq_parcel_done'],
  $ArrowQuantParcels: {
    /** No address is as large. */
    base: 2 ** 32,
    slotBytes: 0,
    labelBytes: 0,
    label: 0,
    /** By index; undefined are those that are away, or have never been used. */
    buffers: [],
    outbox: [],

    /** The heap's or a parcel's memory. Throws when there is none left for a parcel. */
    memoryAt(address, bytes) {
      const { base, slotBytes, labelBytes, buffers } = ArrowQuantParcels;
      if (address < base) return HEAPU8.subarray(address, address + bytes);
      const offset = address - base;
      const index = Math.floor(offset / slotBytes);
      buffers[index] ??= new ArrayBuffer(slotBytes + labelBytes);
      return new Uint8Array(buffers[index], offset % slotBytes, bytes);
    },

    /** What workers have executed comes back. */
    receive(parcels) {
      if (ArrowQuant.disposed) return;
      const { slotBytes, labelBytes, label, buffers } = ArrowQuantParcels;
      for (const buffer of parcels) {
        HEAPU8.set(new Uint8Array(buffer, slotBytes, labelBytes), label);
        buffers[_aq_parcel_done()] = buffer;
      }
      arrowQuantTurn();
    },
  },

  aq_use_parcels__deps: ['$ArrowQuantParcels'],
  aq_use_parcels: (base, slotBytes, labelBytes, label) => {
    Object.assign(ArrowQuantParcels, { base, slotBytes, labelBytes, label });
    Module['workers']['onParcels'](ArrowQuantParcels.receive);
  },

  aq_send_parcel__deps: ['$ArrowQuantParcels'],
  aq_send_parcel: (index, label) => {
    const { slotBytes, labelBytes, buffers, outbox } = ArrowQuantParcels;
    const buffer = buffers[index];
    new Uint8Array(buffer, slotBytes, labelBytes).set(HEAPU8.subarray(label, label + labelBytes));
    buffers[index] = undefined;
    outbox.push(buffer);
  },

  aq_flush_parcels__deps: ['$ArrowQuantParcels'],
  aq_flush_parcels: (quick) => {
    const parcels = ArrowQuantParcels.outbox.splice(0);
    if (parcels.length > 0) Module['workers']['send'](parcels, Boolean(quick));
  },

  aq_read_parcel__deps: ['$Emval'],
  aq_read_parcel: (parcel, offset, address, bytes) => {
    HEAPU8.set(new Uint8Array(Emval.toValue(parcel), offset, bytes), address);
  },

  aq_write_parcel__deps: ['$Emval'],
  aq_write_parcel: (parcel, offset, address, bytes) => {
    new Uint8Array(Emval.toValue(parcel), offset, bytes).set(HEAPU8.subarray(address, address + bytes));
  },
#endif
});
