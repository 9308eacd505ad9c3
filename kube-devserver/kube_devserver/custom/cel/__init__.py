"""The Common Expression Language as Kubernetes has it: what the rules of CustomResourceDefinitions are written in.

An expression goes through `tokens` and `syntax` (text to tree), `check` (types, and which overload a call means), `estimate` (what it may cost
at most, before there is a value) and `run` (a value). What functions there are is said in `functions`; each library is a module of its own.
All of it is pure. After github.com/google/cel-go and k8s.io/apiserver/pkg/cel.
"""
