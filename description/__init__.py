"""From a picture and a mask to words: vocabulary, parser and providers."""
