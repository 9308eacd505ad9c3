# what a newcomer asks
kubectl version
kubectl cluster-info
kubectl config current-context
kubectl config get-contexts
kubectl get --raw /healthz
kubectl get --raw /readyz?verbose
kubectl get --raw /version
kubectl get --raw /nothing
kubectl get --raw /apis/none.example/v1
kubectl api-resources --api-group=spiko.dev
kubectl api-resources --api-group=spiko.dev -o wide
kubectl api-resources --api-group=apps
kubectl api-resources --api-group=policy
kubectl api-resources --api-group=rbac.authorization.k8s.io
kubectl api-resources --api-group=coordination.k8s.io
kubectl explain pod
kubectl explain pod.spec.containers.env
kubectl explain pods --recursive --api-version=v1 | head -50
kubectl explain deployment.spec.strategy
kubectl explain deployment.spec.nothing
kubectl explain architecture
kubectl explain arch.spec
kubectl explain arch.spec.services --recursive
kubectl explain fault.spec.kill
kubectl explain nothing
kubectl auth can-i create pods
kubectl auth can-i '*' '*'
kubectl get ns
kubectl get ns default -o yaml
kubectl describe ns default
kubectl get serviceaccounts
kubectl get sa default -o yaml
kubectl describe sa default
kubectl create sa worker
kubectl create role reader --verb=get,list --resource=pods,configmaps
kubectl create role odd --verb=get --resource=nothing
kubectl create rolebinding reader --role=reader --serviceaccount=kubectl-looking:worker
kubectl create clusterrole kubectl-looking --verb=get --resource=nodes
kubectl create clusterrolebinding kubectl-looking --clusterrole=kubectl-looking --serviceaccount=kubectl-looking:worker
kubectl describe role reader
kubectl describe rolebinding reader
kubectl describe clusterrole kubectl-looking
kubectl describe clusterrolebinding kubectl-looking
kubectl get pods --token=wrong
kubectl delete clusterrole,clusterrolebinding kubectl-looking
kubectl get pods -A --no-headers | wc -l
kubectl get nothing
kubectl get pods -n none
kubectl create namespace kubectl-other
kubectl get ns kubectl-other
kubectl create cm x -n kubectl-other
kubectl create ns kubectl-other
kubectl create ns Not_A_Name
kubectl delete ns kubectl-other
kubectl get ns kubectl-other
kubectl create cm x -n kubectl-other
kubectl get events
kubectl get leases -A -o name
kubectl get pods -w --request-timeout=2s
kubectl get cm -w --output-watch-events --request-timeout=2s
kubectl logs
kubectl port-forward pod/none 1:2
kubectl apply -k .
kubectl completion bash | head -1
