# nodes and what is moved off them
kubectl get nodes
kubectl get nodes -o wide
kubectl get nodes -L topology.kubernetes.io/zone --show-labels
kubectl describe node NODE
kubectl create -f web.yaml
kubectl rollout status deployment/web --timeout=60s
kubectl scale deployment/web --replicas=9
kubectl rollout status deployment/web --timeout=60s
kubectl cordon NODE
kubectl cordon NODE
kubectl get nodes
kubectl drain NODE --ignore-daemonsets --dry-run=server | sed 's/web-[a-z0-9-]*/web/' | sort -u
kubectl drain NODE --ignore-daemonsets --delete-emptydir-data --timeout=60s 2>&1 | sed 's/web-[a-z0-9-]*/web/' | sort -u
kubectl rollout status deployment/web --timeout=60s
kubectl get pods --field-selector spec.nodeName=NODE
kubectl get pods --field-selector status.phase=Running -o name
kubectl get pods --field-selector status.phase!=Running
kubectl uncordon NODE
kubectl uncordon NODE
kubectl run bare --image=spiko/nanoservice:0.1.0 --overrides='{"spec":{"nodeName":"NODE"}}' --command -- sleep 1000
kubectl wait pod/bare --for=condition=Ready --timeout=20s
kubectl drain NODE
kubectl uncordon NODE
kubectl taint nodes NODE key=value:NoSchedule
kubectl taint nodes NODE key=value:NoSchedule
kubectl taint nodes NODE key=other:NoSchedule --overwrite
kubectl describe node NODE | grep -A1 Taints
kubectl taint nodes NODE key-
kubectl taint nodes NODE key-
kubectl label node NODE disk=fast
kubectl get nodes -l disk=fast
kubectl label node NODE disk-
kubectl run picky --image=spiko/nanoservice:0.1.0 --overrides='{"spec":{"nodeSelector":{"disk":"none"}}}' --command -- sleep 1000
kubectl wait pod/picky --for=jsonpath='{.status.conditions[0].reason}'=Unschedulable --timeout=20s
kubectl get pod picky
kubectl describe pod picky
kubectl get pod picky -o yaml
kubectl get events --for pod/picky
kubectl events --for pod/picky
kubectl events --types=Warning
kubectl delete pod picky bare --now
kubectl get leases -n kube-node-lease
kubectl delete node none
kubectl get --raw /api/v1/nodes/NODE/proxy/healthz
kubectl delete -f web.yaml
