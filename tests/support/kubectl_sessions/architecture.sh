# our own kinds
kubectl get crd
kubectl describe crd faults.spiko.dev
kubectl get arch
kubectl apply -f lamp.yaml
kubectl wait arch/lamp --for=condition=Ready --timeout=60s
kubectl wait arch/lamp --for=condition=Programmed --timeout=60s
kubectl get arch
kubectl get arch lamp -o wide
kubectl get arch lamp -o yaml
kubectl describe arch lamp
kubectl apply -f lamp.yaml
sed 's/package: cache/package: none/' lamp.yaml | kubectl apply -f -
sed 's/count: 6/count: six/' lamp.yaml | kubectl apply -f -
sed 's/count: 6/count: -6/' lamp.yaml | kubectl apply -f -
sed 's/count: 6/counts: 6/' lamp.yaml | kubectl apply -f -
sed 's/count: 6/count: 6000000/' lamp.yaml | kubectl apply -f - --dry-run=server
sed 's/count: 6/counts: 6/' lamp.yaml | kubectl apply --server-side -f -
sed 's/name: lamp/name: Lamp/' lamp.yaml | kubectl apply -f -
sed 's/services:/servicez:/' lamp.yaml | kubectl apply -f -
kubectl scale arch lamp --replicas=50
kubectl wait arch/lamp --for=condition=Ready --timeout=60s
kubectl get arch lamp -o jsonpath='{.spec.scale} {.status.summary}'
kubectl get --raw /apis/spiko.dev/v1alpha1/namespaces/kubectl-architecture/architectures/lamp/scale
kubectl scale arch lamp --replicas=-1
kubectl patch arch lamp --type=merge -p '{"spec":{"services":[]}}'
kubectl patch arch lamp -p '{"spec":{"scale":100}}'
kubectl patch arch lamp --type=json -p '[{"op":"replace","path":"/spec/services/0/count","value":1.5}]'
kubectl patch arch lamp --subresource=status --type=merge -p '{"status":{"nonsense":1}}'
kubectl edit arch none
kubectl get deployments -o custom-columns=NAME:.metadata.name,WANTED:.spec.replicas
kubectl get pods -l spiko.dev/tier=www -o name | wc -l
kubectl get all -o name | sed 's/-[a-z0-9]*-[a-z0-9]*$//' | sort | uniq -c
kubectl get events --field-selector involvedObject.kind=Architecture,reason=Accepted -o custom-columns=REASON:.reason,TYPE:.type,MESSAGE:.message
kubectl apply -f crash-webservers.yaml
kubectl apply -f crash-webservers.yaml
kubectl wait fault --all --for=condition=Ended --timeout=90s
kubectl get faults
kubectl get faults -o wide
kubectl patch fault crash-webservers --type=merge -p '{"spec":{"seed":99}}'
kubectl delete fault --all
kubectl delete arch lamp
kubectl get arch
kubectl wait --for=delete pod --all --timeout=60s > /dev/null
kubectl get all
kubectl get cm -o name
