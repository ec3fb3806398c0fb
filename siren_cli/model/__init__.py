"""The networks: features, factorizer, quantizer, decoder, vocoder. Tensors in, tensors out."""
