# a Deployment's life
kubectl create -f web.yaml
kubectl rollout status deployment/web --timeout=60s
kubectl wait deployment/web --for=condition=Available --timeout=20s
kubectl wait pod -l app=web --for=condition=Ready --timeout=20s
kubectl get deployment web -o wide
kubectl get replicasets -o wide
kubectl get pods -o wide
kubectl get deploy,rs,pods
kubectl get all
kubectl get deploy web -o yaml
kubectl get rs -o yaml
kubectl get pods -l app=web -o yaml
kubectl describe deployment web
kubectl describe rs
kubectl describe pods
kubectl logs deployment/web
kubectl logs -l app=web --prefix --tail=1
kubectl logs deployment/web --since=1h --timestamps=false
kubectl logs deployment/web -c none
kubectl logs nobody
kubectl exec deployment/web -- sh -c 'echo "$0 in"; exit 3'
kubectl exec deployment/web -- none-such
kubectl scale deployment/web --replicas=3 --current-replicas=5
kubectl scale deployment/web --replicas=3
kubectl rollout status deployment/web --timeout=60s
kubectl wait deployment/web --for=jsonpath='{.status.readyReplicas}'=3 --timeout=20s
kubectl get deployment web
kubectl scale deployment/web --replicas=-1
kubectl scale deployment/none --replicas=1
kubectl set env deployment/web WORD=new
kubectl rollout status deployment/web --timeout=60s
kubectl annotate deployment/web kubernetes.io/change-cause='a new word'
until kubectl rollout history deployment/web | grep -q 'a new word'; do sleep 0.1; done
kubectl rollout history deployment/web
kubectl rollout history deployment/web --revision=2
kubectl rollout history deployment/web --revision=9
kubectl rollout pause deployment/web
kubectl rollout pause deployment/web
kubectl set image deployment/web main=spiko/nanoservice:0.2.0
until [ "$(kubectl get deployment web -o jsonpath='{.metadata.generation}')" = "$(kubectl get deployment web -o jsonpath='{.status.observedGeneration}')" ]; do sleep 0.1; done
kubectl rollout status deployment/web --timeout=2s --watch=false
kubectl rollout undo deployment/web
kubectl rollout resume deployment/web
kubectl rollout undo deployment/web --to-revision=1
kubectl rollout status deployment/web --timeout=60s
kubectl rollout undo deployment/web --to-revision=99
kubectl rollout restart deployment/web
kubectl rollout status deployment/web --timeout=60s
kubectl rollout restart deployment/none
kubectl get deployment web -o jsonpath='{.metadata.annotations.deployment\.kubernetes\.io/revision} {.status.observedGeneration} {.metadata.generation}'
kubectl set resources deployment/web --limits=cpu=1,memory=1Gi
kubectl rollout status deployment/web --timeout=60s
kubectl get deployment web -o jsonpath='{.spec.template.spec.containers[0].resources}'
kubectl patch deployment web -p '{"spec":{"template":{"spec":{"containers":[{"name":"main","env":[{"name":"WORD","value":"patched"}]}]}}}}'
kubectl rollout status deployment/web --timeout=60s
kubectl patch deployment web -p '{"spec":{"selector":{"matchLabels":{"app":"other"}}}}'
kubectl patch deployment web --type=json -p '[{"op":"remove","path":"/spec/template/spec/containers"}]'
kubectl expose deployment web --port=80 --target-port=web
kubectl get service web -o wide
kubectl describe service web
kubectl get svc web -o yaml
kubectl autoscale deployment web --max=3
kubectl top pods
kubectl create pdb web --selector=app=web --min-available=3
kubectl wait pdb/web --for=jsonpath='{.status.currentHealthy}'=3 --timeout=20s
kubectl get pdb
kubectl describe pdb web
kubectl create pdb bad --selector=app=web
kubectl delete pdb web
kubectl delete pods -l app=web --wait=false
kubectl rollout status deployment/web --timeout=60s
kubectl delete deployment web --cascade=orphan
kubectl get deployments
kubectl get rs
kubectl delete rs -l app=web --cascade=foreground
kubectl get pods
kubectl delete service web
kubectl run one --image=spiko/nanoservice:0.1.0 --restart=Never --command -- sh -c 'echo done'
kubectl wait pod/one --for=jsonpath='{.status.phase}'=Succeeded --timeout=20s
kubectl get pod one
kubectl logs one
kubectl describe pod one
kubectl get pod one -o yaml
kubectl run two --image=example.org/none:1
kubectl wait pod/two --for=jsonpath='{.status.containerStatuses[0].state.waiting.reason}'=ErrImagePull --timeout=20s
kubectl get pod two
kubectl label pod two run=other --overwrite
kubectl patch pod two -p '{"spec":{"containers":[{"name":"two","image":"spiko/nanoservice:0.1.0"}]}}'
kubectl patch pod two -p '{"spec":{"nodeName":"elsewhere"}}'
kubectl delete pod two --now
kubectl delete pod one --grace-period=0 --force
kubectl get pods
kubectl run three --image=spiko/nanoservice:0.1.0 --restart=Never -i --rm --command -- sh -c 'sleep 3; echo attached'
kubectl create deployment made --image=spiko/nanoservice:0.1.0 --replicas=1 -- sleep 1000
kubectl rollout status deployment/made --timeout=60s
kubectl debug deployment/made --image=busybox
kubectl delete deployment made
kubectl wait --for=delete pod -l app=made --timeout=30s
kubectl wait pod/none --for=condition=Ready --timeout=1s
kubectl create job j --image=x -- sleep 1
