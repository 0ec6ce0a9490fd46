const CONTROL_NET =
  /^(?:controlnet_(?:cond_embedding|down_blocks|mid_block|blocks|single_blocks|x_embedder)|input_hint_block|zero_convs|middle_block_out)\./u;

/** Whether a model is a ControlNet, which has blocks of the model that it is for. `names` are without a prefix. */
export const isControlNet = (names: Iterable<string>): boolean => [...names].some((name) => CONTROL_NET.test(name));
