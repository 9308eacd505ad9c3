# one ConfigMap through every way of writing it
kubectl create configmap a --from-literal=one=1 --from-literal=two=2
kubectl create configmap a --from-literal=one=1
kubectl get configmap a
kubectl get cm a -o yaml
kubectl get cm/a -o name
kubectl get cm a -o wide
kubectl get cm a -o custom-columns=NAME:.metadata.name,ONE:.data.one,NONE:.data.none
kubectl get cm a -o jsonpath='{.data.one}{"\n"}{.data}{"\n"}'
kubectl get cm a -o go-template='{{range $k, $v := .data}}{{$k}}={{$v}} {{end}}'
kubectl get cm a --show-labels --no-headers
kubectl describe cm a
kubectl label cm a tier=web stage=one
kubectl label cm a tier=db
kubectl label cm a tier=db --overwrite
kubectl label cm a stage- nothing-
kubectl get cm -l tier=db,stage!=two -L tier
kubectl get cm -l 'tier in (web, cache)'
kubectl get cm -l 'tier=='
kubectl get cm --field-selector metadata.name=a
kubectl get cm --field-selector data.one=1
kubectl annotate cm a note='some words'
kubectl annotate cm a note=other
kubectl annotate cm a note-
kubectl patch cm a -p '{"data":{"three":"3"}}'
kubectl patch cm a --type=merge -p '{"data":{"two":null}}'
kubectl patch cm a --type=json -p '[{"op":"test","path":"/data/one","value":"1"},{"op":"replace","path":"/data/one","value":"11"}]'
kubectl patch cm a --type=json -p '[{"op":"test","path":"/data/one","value":"1"}]'
kubectl patch cm a --type=json -p '[{"op":"remove","path":"/data/none"}]'
kubectl patch cm a -p '{"data":{"three":3}}'
kubectl patch cm a -p '{'
kubectl get cm a -o jsonpath='{.data}'
EDITOR='sed -i s/11/12/' kubectl edit cm a
EDITOR=true kubectl edit cm a
kubectl get cm a -o yaml --show-managed-fields
kubectl apply -f two.yaml
kubectl apply -f two.yaml
kubectl get cm b -o yaml
kubectl apply view-last-applied cm b
sed 's/plain/changed/' two.yaml | kubectl diff -f -
kubectl diff -f two.yaml
sed 's/plain/changed/' two.yaml | kubectl apply -f - --dry-run=server -o yaml
sed 's/plain/changed/' two.yaml | kubectl apply -f - --dry-run=client
sed 's/plain/changed/' two.yaml | kubectl apply -f -
sed 's/plain/again/' two.yaml | kubectl apply --server-side -f -
sed 's/plain/again/' two.yaml | kubectl apply --server-side -f - --field-manager=other
sed 's/plain/forced/' two.yaml | kubectl apply --server-side -f - --field-manager=other
sed 's/plain/forced/' two.yaml | kubectl apply --server-side -f - --field-manager=other --force-conflicts
sed 's/plain/diff/' two.yaml | kubectl diff --server-side -f -
kubectl get cm b -o yaml --show-managed-fields
sed 's/plain/set/' two.yaml | kubectl replace -f -
sed 's/plain/anew/' two.yaml | kubectl replace --force -f -
sed 's/data:/dada:/' two.yaml | kubectl apply -f -
sed 's/data:/dada:/' two.yaml | kubectl apply -f - --validate=warn
sed 's/name: b/name: B_b/' two.yaml | kubectl apply -f -
sed 's/kind: ConfigMap/kind: ConfigMop/' two.yaml | kubectl apply -f -
sed 's/plain: words/plain: 7/' two.yaml | kubectl apply -f -
kubectl apply -f two.yaml --prune -l app=two
kubectl create -f two.yaml
kubectl get cm a b none
kubectl get cm none -o yaml
kubectl get cm none --ignore-not-found
kubectl get cmm
kubectl get cm a,b
kubectl delete cm none
kubectl delete cm none --ignore-not-found
kubectl delete cm a --dry-run=server
kubectl delete cm a
kubectl delete -f two.yaml
kubectl delete -f two.yaml --ignore-not-found
kubectl create cm c --from-file=two.yaml --dry-run=client -o yaml
kubectl create secret generic s --from-literal=password=hidden
kubectl get secret s
kubectl get secret s -o jsonpath='{.data.password}'
kubectl describe secret s
kubectl create secret docker-registry pull --docker-server=example.org --docker-username=u --docker-password=p
kubectl get secrets
kubectl create secret generic fixed --from-literal=x=y --dry-run=client -o yaml | sed '$a immutable: true' | kubectl apply -f -
kubectl patch secret fixed -p '{"stringData":{"x":"z"}}'
kubectl delete secret --all
kubectl create quota q --hard=pods=1
kubectl get cm,secret
kubectl api-resources --api-group=apps -o name
