"""Two finished runs, figure by figure: `alignscope.diff`."""
