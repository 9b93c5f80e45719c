"""The commands, one module each; `arguments` describes them and imports none of them."""
