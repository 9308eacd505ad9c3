"""Pure: the rules that resources must keep beyond their schema, and the findings of `spiko lint`."""
